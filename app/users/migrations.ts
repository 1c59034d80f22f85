import type { Migration } from '../core/database/migrations.ts'

export const usersMigrations: Migration[] = [
  {
    name: 'users-1',
    // Who claimed the bot, whichever bot it is; one row at most.
    statements: [
      `CREATE TABLE bot_owner (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        user_id BIGINT NOT NULL,
        claimed_at BIGINT NOT NULL
      )`,
    ],
  },
]
