import type { Migration } from '../core/database/migrations.ts'

// Named before this module was: telegram-1 made the table of updates as well.
export const outboxMigrations: Migration[] = [
  {
    name: 'telegram-1',
    statements: [
      // What a chat must show: the text of the newest revision, until Telegram has taken it.
      `CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        bot_id BIGINT NOT NULL,
        chat_id BIGINT NOT NULL,
        reply_to BIGINT,
        message_id BIGINT,
        sending_after BIGINT,
        text TEXT NOT NULL,
        keyboard TEXT,
        topic TEXT,
        revision INTEGER NOT NULL DEFAULT 1,
        sent_revision INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at BIGINT NOT NULL,
        failure TEXT,
        created_at BIGINT NOT NULL
      )`,
      `CREATE INDEX messages_waiting ON messages (bot_id, chat_id, id)
        WHERE sent_revision < revision AND failure IS NULL`,
      `CREATE INDEX messages_due ON messages (bot_id, due_at)
        WHERE sent_revision < revision AND failure IS NULL`,
    ],
  },
  {
    name: 'telegram-2',
    statements: ['CREATE INDEX messages_created ON messages (created_at)'],
  },
  {
    name: 'telegram-3',
    statements: [
      'ALTER TABLE messages ADD COLUMN thread_id BIGINT',
      'ALTER TABLE messages ADD COLUMN message_key TEXT',
      `CREATE UNIQUE INDEX messages_key ON messages (bot_id, message_key) WHERE message_key IS NOT NULL`,
      'CREATE INDEX messages_refused ON messages (bot_id, chat_id) WHERE failure IS NOT NULL',
      // Chats that take nothing from the bot: it is blocked, thrown out, or has no right to write.
      `CREATE TABLE closed_chats (
        bot_id BIGINT NOT NULL,
        chat_id BIGINT NOT NULL,
        reason TEXT NOT NULL,
        closed_at BIGINT NOT NULL,
        PRIMARY KEY (bot_id, chat_id)
      )`,
    ],
  },
  {
    name: 'telegram-4',
    statements: [
      `CREATE INDEX messages_ends ON messages (bot_id, due_at)
        WHERE topic IS NOT NULL AND sent_revision < revision AND failure IS NULL`,
    ],
  },
  {
    name: 'outbox-1',
    statements: [
      'ALTER TABLE messages ADD COLUMN progress TEXT',
      'CREATE INDEX messages_progress ON messages (bot_id) WHERE progress IS NOT NULL',
    ],
  },
  {
    name: 'outbox-2',
    statements: [
      // What is more than a text in Telegram's HTML; `text` is empty then, which a release that knows only that cannot send.
      'ALTER TABLE messages ADD COLUMN content TEXT',
      'ALTER TABLE messages ADD COLUMN options TEXT',
      // What the chat shows of it, piece by piece, when that is more than one text.
      'ALTER TABLE messages ADD COLUMN delivered TEXT',
      'ALTER TABLE messages ADD COLUMN last_message_id BIGINT',
      'ALTER TABLE messages ADD COLUMN kind TEXT',
      'ALTER TABLE messages ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0',
    ],
  },
]
