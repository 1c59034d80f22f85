import type { Migration } from '../core/database/migrations.ts'

export const storeMigrations: Migration[] = [
  {
    name: 'store-1',
    // The id that stands in the marker of the store that this database describes; one row at most.
    statements: ['CREATE TABLE store (id TEXT PRIMARY KEY, recorded_at BIGINT NOT NULL)'],
  },
]
