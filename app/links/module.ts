import type { Declaration } from '../core/declaration.ts'
import { linksMigrations } from './migrations.ts'
import { linksSettings } from './settings.ts'

export const linksModule = {
  name: 'links',
  settings: linksSettings,
  migrations: linksMigrations,
} satisfies Declaration
