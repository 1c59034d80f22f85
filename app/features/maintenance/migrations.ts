import type { Migration } from '../../core/database/migrations.ts'

export const maintenanceMigrations: Migration[] = [
  {
    name: 'upkeep-1',
    statements: [
      // Asked for by the web role, which may not touch a file, and done by the bot role.
      `CREATE TABLE cleanups (
        id INTEGER PRIMARY KEY,
        requested_at BIGINT NOT NULL,
        finished_at BIGINT,
        result TEXT
      )`,
    ],
  },
  {
    name: 'upkeep-2',
    // For those that are open, looked for every second, and for those that are long finished.
    statements: ['CREATE INDEX cleanups_finished ON cleanups (finished_at)'],
  },
  {
    name: 'upkeep-3',
    // What the administrators were told, and whether it still holds.
    statements: [
      'CREATE TABLE notices (name TEXT PRIMARY KEY, told_at BIGINT NOT NULL, is_open INTEGER NOT NULL)',
    ],
  },
]
