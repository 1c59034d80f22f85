import type { Declaration } from '../core/declaration.ts'
import { jobsMetrics } from './metrics.ts'
import { jobsMigrations } from './migrations.ts'
import { jobsSettings } from './settings.ts'

export const jobsModule = {
  name: 'jobs',
  settings: jobsSettings,
  migrations: jobsMigrations,
  health: [{ name: 'queue', of: 'bot' }],
  metrics: jobsMetrics,
  person: async () => (await import('./person.ts')).jobsPerson,
} satisfies Declaration
