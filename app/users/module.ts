import type { Declaration } from '../core/declaration.ts'
import { usersMigrations } from './migrations.ts'
import { usersSettings } from './settings.ts'

export const usersModule = {
  name: 'users',
  settings: usersSettings,
  migrations: usersMigrations,
  person: async () => (await import('./person.ts')).usersPerson,
} satisfies Declaration
