export { usersMigrations } from './migrations.ts'
export { Ownership } from './ownership.ts'
export { usersSettings } from './settings.ts'
export { Users } from './users.ts'
