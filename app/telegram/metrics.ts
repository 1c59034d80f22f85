import type { Metric } from '../core/metrics.ts'

export const telegramMetrics: Metric[] = [
  {
    name: 'tgdepot_updates_waiting',
    help: 'Updates from Telegram that are not handled yet.',
    type: 'gauge',
    async read(database) {
      const [row] = await database.query<{ updates: number }>(
        'SELECT COUNT(*) AS updates FROM updates WHERE handled_at IS NULL',
      )
      return [{ value: Number(row?.updates) }]
    },
  },
]
