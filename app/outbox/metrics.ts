import type { Metric } from '../core/metrics.ts'

export const outboxMetrics: Metric[] = [
  {
    name: 'tgdepot_messages_waiting',
    help: 'Messages of which Telegram does not show the newest text yet.',
    type: 'gauge',
    async read(database) {
      const [row] = await database.query<{ messages: number }>(
        'SELECT COUNT(*) AS messages FROM messages WHERE sent_revision < revision AND failure IS NULL',
      )
      return [{ value: Number(row?.messages) }]
    },
  },
]
