import type { Migration } from '../core/database/migrations.ts'

export const jobsMigrations: Migration[] = [
  {
    name: 'jobs-1',
    statements: [
      `CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        job_key TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        bot_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        chat_id BIGINT NOT NULL,
        size BIGINT NOT NULL,
        payload TEXT NOT NULL,
        turn BIGINT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at BIGINT NOT NULL,
        worker TEXT,
        lease_until BIGINT,
        error_type TEXT,
        error_message TEXT,
        created_at BIGINT NOT NULL,
        started_at BIGINT,
        updated_at BIGINT NOT NULL
      )`,
      // The queue in its order; see Jobs.create for `turn`.
      `CREATE INDEX jobs_queued ON jobs (kind, turn, id) WHERE status = 'QUEUED'`,
      `CREATE INDEX jobs_running ON jobs (lease_until) WHERE status = 'RUNNING'`,
      `CREATE INDEX jobs_active ON jobs (user_id, turn) WHERE status IN ('PENDING', 'QUEUED', 'RUNNING')`,
      `CREATE INDEX jobs_turn ON jobs (turn) WHERE status IN ('PENDING', 'QUEUED', 'RUNNING')`,
      'CREATE INDEX jobs_user ON jobs (user_id, created_at)',
      'CREATE INDEX jobs_chat ON jobs (chat_id, created_at)',
      `CREATE TABLE job_events (
        id INTEGER PRIMARY KEY,
        job_id BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        event_type TEXT NOT NULL,
        data TEXT NOT NULL,
        created_at BIGINT NOT NULL
      )`,
      'CREATE INDEX job_events_job ON job_events (job_id)',
    ],
  },
  {
    name: 'jobs-2',
    statements: [`CREATE INDEX jobs_ended ON jobs (updated_at) WHERE status IN ('COMPLETED', 'FAILED')`],
  },
  {
    name: 'jobs-3',
    statements: [
      'ALTER TABLE jobs ADD COLUMN subject TEXT',
      `UPDATE jobs SET subject = SUBSTR(payload, 10, 36)
        WHERE status IN ('PENDING', 'QUEUED', 'RUNNING') AND payload LIKE '{"uuid":"%'`,
      `CREATE INDEX jobs_subject ON jobs (subject) WHERE status IN ('PENDING', 'QUEUED', 'RUNNING')`,
    ],
  },
  {
    name: 'jobs-4',
    statements: [
      // When it was this job's turn under the rate limits; `due_at` moves with every retry.
      'ALTER TABLE jobs ADD COLUMN slot_at BIGINT',
      // What the job will count for its user; `size` is what it will need on the disk. NULL means the same.
      'ALTER TABLE jobs ADD COLUMN user_bytes BIGINT',
      'ALTER TABLE jobs ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0',
      'ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0',
      'CREATE INDEX jobs_user_slot ON jobs (user_id, slot_at)',
      'CREATE INDEX jobs_chat_slot ON jobs (chat_id, slot_at)',
      // See Jobs.claim: read for each job that is begun, so all that it asks for is in the index.
      `CREATE INDEX jobs_waiting ON jobs (kind, bot_id, user_id, due_at, crashes, slot_at) WHERE status = 'QUEUED'`,
    ],
  },
  {
    name: 'jobs-5',
    statements: [
      // Of a running job, the bytes that are on the disk already: its promise is `size` without them.
      'ALTER TABLE jobs ADD COLUMN received BIGINT NOT NULL DEFAULT 0',
      // What is asked before each job, by kind, and answered by the index alone.
      `CREATE INDEX jobs_open ON jobs (user_id, kind, status, size, user_bytes, received)
        WHERE status IN ('PENDING', 'QUEUED', 'RUNNING')`,
      'CREATE INDEX jobs_slots_of_user ON jobs (user_id, slot_at, kind)',
      'CREATE INDEX jobs_slots_of_chat ON jobs (chat_id, slot_at, kind)',
      // These answer nothing that the new ones do not, or have not been asked since jobs-4; each costs every job a write.
      'DROP INDEX jobs_active',
      'DROP INDEX jobs_turn',
      'DROP INDEX jobs_queued',
      'DROP INDEX jobs_user',
      'DROP INDEX jobs_chat',
      'DROP INDEX jobs_user_slot',
      'DROP INDEX jobs_chat_slot',
    ],
  },
]
