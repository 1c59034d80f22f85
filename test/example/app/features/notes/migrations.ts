import type { Migration } from '../../core/database/migrations.ts'

export const notesMigrations: Migration[] = [
  {
    name: 'notes-1',
    statements: [
      'CREATE TABLE notes (id TEXT PRIMARY KEY, user_id BIGINT NOT NULL, words TEXT NOT NULL, counted INTEGER)',
      'CREATE INDEX notes_user ON notes (user_id)',
    ],
  },
]
