import type { Declaration } from '../core/declaration.ts'
import { telegramMigrations } from './migrations.ts'
import { telegramSettings } from './settings.ts'

export const telegramModule = {
  name: 'telegram',
  settings: telegramSettings,
  migrations: telegramMigrations,
  health: [{ name: 'bot_api', of: 'bot' }],
} satisfies Declaration
