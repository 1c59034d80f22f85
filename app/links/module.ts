import type { Declaration } from '../core/declaration.ts'
import { linksMetrics } from './metrics.ts'
import { linksMigrations } from './migrations.ts'
import { linksSettings } from './settings.ts'

export const linksModule = {
  name: 'links',
  settings: linksSettings,
  migrations: linksMigrations,
  metrics: linksMetrics,
  person: async () => (await import('./person.ts')).linksPerson,
} satisfies Declaration
