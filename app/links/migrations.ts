import type { Migration } from '../core/database/migrations.ts'

export const linksMigrations: Migration[] = [
  {
    name: 'links-1',
    statements: [
      `CREATE TABLE links (
        uuid TEXT PRIMARY KEY,
        user_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        mime_type TEXT NOT NULL,
        size BIGINT NOT NULL,
        file_unique_id TEXT NOT NULL,
        bot_id BIGINT NOT NULL,
        file_id TEXT NOT NULL,
        chat_id BIGINT NOT NULL,
        message_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        missing_at BIGINT,
        removed_at BIGINT
      )`,
      'CREATE INDEX links_expiring ON links (expires_at) WHERE removed_at IS NULL AND expires_at IS NOT NULL',
      'CREATE INDEX links_content ON links (file_unique_id, size, created_at) WHERE removed_at IS NULL',
      'CREATE INDEX links_user ON links (user_id)',
      // How many living links share one content: the last one to go gives its room back.
      `CREATE TABLE contents (
        file_unique_id TEXT NOT NULL,
        size BIGINT NOT NULL,
        links BIGINT NOT NULL,
        PRIMARY KEY (file_unique_id, size)
      )`,
      // Sums over a million links would be too slow to ask for with every file. Owner 0 is the store.
      'CREATE TABLE link_usage (owner BIGINT PRIMARY KEY, bytes BIGINT NOT NULL)',
    ],
  },
]
