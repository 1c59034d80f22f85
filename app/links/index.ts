export { type Link, Links } from './links.ts'
export { type Downloadable, hasLinks, LinkLookup } from './lookup.ts'
export { linksMigrations } from './migrations.ts'
export { linksSettings } from './settings.ts'
