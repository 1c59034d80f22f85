import type { Declaration } from '../core/declaration.ts'
import { telegramMetrics } from './metrics.ts'
import { telegramMigrations } from './migrations.ts'
import { telegramSettings } from './settings.ts'

export const telegramModule = {
  name: 'telegram',
  settings: telegramSettings,
  migrations: telegramMigrations,
  health: [{ name: 'bot_api', of: 'bot' }],
  metrics: telegramMetrics,
  person: async () => (await import('./person.ts')).telegramPerson,
} satisfies Declaration
