import type { Migration } from '../../core/database/migrations.ts'

export const ingestMigrations: Migration[] = [
  {
    name: 'ingest-1',
    statements: [
      // One message about the files of a user in a chat that wait because of the limits.
      `CREATE TABLE waiting_notices (
        id TEXT PRIMARY KEY,
        bot_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        chat_id BIGINT NOT NULL,
        thread_id BIGINT,
        files INTEGER NOT NULL DEFAULT 0,
        said TEXT
      )`,
      'CREATE INDEX waiting_notices_of ON waiting_notices (bot_id, chat_id, user_id)',
      `CREATE TABLE waiting_files (
        job_id BIGINT PRIMARY KEY,
        notice_id TEXT NOT NULL REFERENCES waiting_notices (id) ON DELETE CASCADE,
        slot_at BIGINT NOT NULL
      )`,
      'CREATE INDEX waiting_files_of ON waiting_files (notice_id, slot_at)',
      // One message about files that were not taken one after another.
      `CREATE TABLE refusal_notices (
        id TEXT PRIMARY KEY,
        bot_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        chat_id BIGINT NOT NULL,
        files TEXT NOT NULL,
        last_at BIGINT NOT NULL
      )`,
      'CREATE INDEX refusal_notices_of ON refusal_notices (bot_id, chat_id, user_id)',
    ],
  },
  {
    name: 'ingest-2',
    statements: ['ALTER TABLE refusal_notices ADD COLUMN thread_id BIGINT'],
  },
]
