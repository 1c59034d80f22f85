import type { Declaration } from '../core/declaration.ts'
import { outboxMetrics } from './metrics.ts'
import { outboxMigrations } from './migrations.ts'

export const outboxModule = {
  name: 'outbox',
  migrations: outboxMigrations,
  metrics: outboxMetrics,
  person: async () => (await import('./person.ts')).outboxPerson,
} satisfies Declaration
