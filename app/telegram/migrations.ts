import type { Migration } from '../core/database/migrations.ts'

export const telegramMigrations: Migration[] = [
  {
    name: 'telegram-1',
    statements: [
      // What Telegram sent, kept until it is handled and for a while after, to know it again.
      `CREATE TABLE updates (
        bot_id BIGINT NOT NULL,
        update_id BIGINT NOT NULL,
        body TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        received_at BIGINT NOT NULL,
        handled_at BIGINT,
        PRIMARY KEY (bot_id, update_id)
      )`,
      'CREATE INDEX updates_waiting ON updates (bot_id, update_id) WHERE handled_at IS NULL',
      'CREATE INDEX updates_handled ON updates (handled_at) WHERE handled_at IS NOT NULL',
    ],
  },
  {
    name: 'telegram-5',
    statements: [
      // Whose turn an update waits for; NULL in the rows of older releases.
      'ALTER TABLE updates ADD COLUMN chat_id BIGINT',
      // Finds the oldest one of all chats but some without reading the rows of these: it has all columns asked for.
      'CREATE INDEX updates_waiting_chats ON updates (bot_id, update_id, chat_id, handled_at) WHERE handled_at IS NULL',
    ],
  },
]
