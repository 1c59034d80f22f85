import type { Declaration } from '../core/declaration.ts'
import { storeMigrations } from './migrations.ts'
import { storeSettings } from './settings.ts'

export const storeModule = {
  name: 'store',
  settings: storeSettings,
  migrations: storeMigrations,
} satisfies Declaration
