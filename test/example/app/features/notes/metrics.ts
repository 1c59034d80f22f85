import type { Metric } from '../../core/metrics.ts'

export const notesMetrics: Metric[] = [
  {
    name: 'tgdepot_notes',
    help: 'Notes that are kept.',
    type: 'gauge',
    async read(database) {
      const [row] = await database.query<{ notes: number }>('SELECT COUNT(*) AS notes FROM notes')
      return [{ value: Number(row?.notes) }]
    },
  },
  { name: 'tgdepot_notes_refused_total', help: 'Notes that were too long.', type: 'counter' },
]
