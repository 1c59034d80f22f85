import type { Metric } from '../core/metrics.ts'
import { store } from './usage.ts'

export const linksMetrics: Metric[] = [
  {
    name: 'tgdepot_links',
    help: 'Links whose file is kept.',
    type: 'gauge',
    // 40 ms of a million: the index has no others, and no row is looked at.
    async read(database) {
      const [row] = await database.query<{ links: number }>(
        'SELECT COUNT(*) AS links FROM links WHERE removed_at IS NULL',
      )
      return [{ value: Number(row?.links) }]
    },
  },
  {
    name: 'tgdepot_kept_bytes',
    help: 'Bytes that the files of links take, each content once.',
    type: 'gauge',
    async read(database) {
      const [row] = await database.query<{ bytes: number }>(
        'SELECT bytes FROM link_usage WHERE owner = $1',
        store,
      )
      return [{ value: Number(row?.bytes ?? 0) }]
    },
  },
]
