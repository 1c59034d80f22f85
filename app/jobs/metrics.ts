import type { Metric } from '../core/metrics.ts'
import { active } from './states.ts'

interface Row extends Record<string, unknown> {
  lane: string
  state: string
  jobs: number
}

export const jobsMetrics: Metric[] = [
  {
    name: 'tgdepot_jobs',
    help: 'Jobs that have not ended.',
    type: 'gauge',
    labels: ['lane', 'state'],
    async read(database) {
      const rows = await database.query<Row>(
        `SELECT kind AS lane, CASE WHEN status = 'RUNNING' THEN 'running' ELSE 'waiting' END AS state,
           COUNT(*) AS jobs FROM jobs WHERE status IN ${active} GROUP BY 1, 2`,
      )
      return rows.map(({ lane, state, jobs }) => ({ value: Number(jobs), labels: { lane, state } }))
    },
  },
]
