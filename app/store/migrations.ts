import type { Migration } from '../core/database/migrations.ts'

export const storeMigrations: Migration[] = [
  {
    name: 'store-1',
    // The id that stands in the marker of the store that this database describes; one row at most.
    statements: ['CREATE TABLE store (id TEXT PRIMARY KEY, recorded_at BIGINT NOT NULL)'],
  },
  {
    name: 'store-2',
    // The id that the marker had when the database that describes it was moved here.
    statements: ['ALTER TABLE store ADD COLUMN replaces TEXT'],
  },
]
