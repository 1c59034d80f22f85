export type { DiskSpace } from './disk-space.ts'
export { type Claims, renewIdentity } from './identity.ts'
export { storeMigrations } from './migrations.ts'
export { StoreAbsent } from './presence.ts'
export { type Place, quarantineDays } from './quarantine.ts'
export { storeSettings } from './settings.ts'
export {
  type Expected,
  type Intake,
  isUnknownTo,
  type Kept,
  SizeMismatch,
  Store,
  TooLarge,
  whyAbsent,
} from './store.ts'
