import type { Declaration } from '../core/declaration.ts'
import { outboxMigrations } from './migrations.ts'

export const outboxModule = { name: 'outbox', migrations: outboxMigrations } satisfies Declaration
