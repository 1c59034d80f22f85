import type { Database } from '../core/database.ts'
import { type Log, scrub } from '../core/log.ts'
import { mayMove, type Status } from './states.ts'

export interface NewJob {
  kind: string
  /** Says the same thing is asked for again. */
  key: string
  botId: number
  userId: number
  chatId: number
  /** Bytes of disk that this job is promised until it ends. */
  size: number
  /** What its kind needs to do it; JSON. */
  payload: object
}

export interface Job {
  id: number
  kind: string
  botId: number
  userId: number
  chatId: number
  payload: unknown
  /** How often a worker has begun it. */
  attempts: number
  createdAt: number
}

interface JobRow extends Record<string, unknown> {
  id: number
  kind: string
  bot_id: number
  user_id: number
  chat_id: number
  payload: string
  attempts: number
  created_at: number
}

/** What accompanies a move: kept in the event, and partly in the row. */
export interface Move {
  reason?: string
  errorType?: string
  errorMessage?: string
  /** Milliseconds since 1970 before which a queued job is not begun again. */
  dueAt?: number
  /** A move that is not the job's fault does not count as an attempt. */
  uncounted?: boolean
}

const active = `('PENDING', 'QUEUED', 'RUNNING')`

/** Rows of jobs and their events; every change of a status goes through {@link Jobs.transition}. */
export class Jobs {
  readonly #database: Database
  readonly #log: Log
  #queued = () => {}

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  /** Calls `listener` after each commit that queued a job. */
  whenQueued(listener: () => void): void {
    this.#queued = listener
  }

  /** Writes a job as PENDING and queues it. Returns undefined when its key is already known. */
  async create(job: NewJob): Promise<number | undefined> {
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<{ id: number }>(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, due_at,
           created_at, updated_at)
         VALUES ($1, $2, 'PENDING', $3, $4, $5, $6, $7, $8, $8, $8)
         ON CONFLICT (job_key) DO NOTHING RETURNING id`,
        job.kind,
        job.key,
        job.botId,
        job.userId,
        job.chatId,
        job.size,
        JSON.stringify(job.payload),
        Date.now(),
      )
      if (!row) return undefined
      const { kind, userId, chatId, size } = job
      await this.record(row.id, 'JOB_CREATED', { kind, user_id: userId, chat_id: chatId, size })
      await this.transition(row.id, 'PENDING', 'QUEUED')
      return row.id
    })
  }

  /**
   * The one way to change a status. The statement that writes the new status checks the old one; the event row is
   * written with it. Returns false, logged, when the move is not allowed or the job is not in `from`.
   */
  async transition(id: number, from: Status, to: Status, move: Move = {}): Promise<boolean> {
    if (!mayMove(from, to)) {
      this.#log.error({ job_id: id, from, to }, 'move of a job refused: not allowed')
      return false
    }
    return await this.#database.transaction(async () => {
      const changed = await this.#database.query<{ id: number }>(
        `UPDATE jobs SET status = $3, updated_at = $4, worker = NULL, lease_until = NULL,
           error_type = $5, error_message = $6, due_at = $7, attempts = attempts - $8
         WHERE id = $1 AND status = $2 RETURNING id`,
        id,
        from,
        to,
        Date.now(),
        move.errorType,
        move.errorMessage && scrub(move.errorMessage),
        move.dueAt ?? Date.now(),
        Number(move.uncounted ?? false),
      )
      if (changed.length === 0) {
        this.#log.error({ job_id: id, from, to }, 'move of a job refused: it is in another status')
        return false
      }
      await this.record(id, 'STATUS_CHANGED', { from, to, ...move })
      if (to === 'QUEUED') this.#database.afterCommit(() => this.#queued())
      return true
    })
  }

  /** Gives the oldest due job of a kind to `worker` until `leaseUntil`, in one statement. */
  async claim(kind: string, worker: string, leaseUntil: number): Promise<Job | undefined> {
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<JobRow>(
        `UPDATE jobs SET status = 'RUNNING', worker = $2, lease_until = $3, attempts = attempts + 1,
           updated_at = $4
         WHERE status = 'QUEUED' AND id = (
           SELECT id FROM jobs WHERE kind = $1 AND status = 'QUEUED' AND due_at <= $4
           ORDER BY due_at, id LIMIT 1
         ) RETURNING id, kind, bot_id, user_id, chat_id, payload, attempts, created_at`,
        kind,
        worker,
        leaseUntil,
        Date.now(),
      )
      if (!row) return undefined
      await this.record(row.id, 'STATUS_CHANGED', { from: 'QUEUED', to: 'RUNNING' })
      return fromRow(row)
    })
  }

  /** Queues again what a process that is gone was working on. Returns how many jobs these were. */
  async recover(kind: string): Promise<number> {
    const rows = await this.#database.query<{ id: number }>(
      `SELECT id FROM jobs WHERE kind = $1 AND status = 'RUNNING'`,
      kind,
    )
    for (const { id } of rows) await this.transition(id, 'RUNNING', 'QUEUED', { reason: 'recovered' })
    return rows.length
  }

  /** Whether a job with this key was ever made. */
  async has(key: string): Promise<boolean> {
    const rows = await this.#database.query('SELECT 1 FROM jobs WHERE job_key = $1', key)
    return rows.length > 0
  }

  /** Lets a queued job that waits for its time begin now. */
  async hurry(id: number): Promise<void> {
    await this.#database.query(
      `UPDATE jobs SET due_at = $2 WHERE id = $1 AND status = 'QUEUED'`,
      id,
      Date.now(),
    )
    this.#database.afterCommit(() => this.#queued())
  }

  async find(id: number): Promise<(Job & { status: Status }) | undefined> {
    const [row] = await this.#database.query<JobRow & { status: Status }>(
      'SELECT * FROM jobs WHERE id = $1',
      id,
    )
    return row && { ...fromRow(row), status: row.status }
  }

  /** Writes an event of a job, as a row and a line of the log. */
  async record(id: number, event: string, data: object = {}): Promise<void> {
    this.#log.info({ job_id: id, event, ...data }, event.toLowerCase().replaceAll('_', ' '))
    await this.#database.query(
      'INSERT INTO job_events (job_id, event_type, data, created_at) VALUES ($1, $2, $3, $4)',
      id,
      event,
      scrub(JSON.stringify(data)),
      Date.now(),
    )
  }

  /** Bytes of disk promised to jobs that have not ended. */
  async promised(): Promise<number> {
    const [row] = await this.#database.query<{ bytes: number | null }>(
      `SELECT SUM(size) AS bytes FROM jobs WHERE status IN ${active}`,
    )
    return Number(row?.bytes ?? 0)
  }

  /** When the last `limit` jobs of a user were made, newest first, if later than `since`. */
  async recent(userId: number, since: number, limit: number): Promise<number[]> {
    const rows = await this.#database.query<{ created_at: number }>(
      `SELECT created_at FROM jobs WHERE user_id = $1 AND created_at > $2
       ORDER BY created_at DESC LIMIT $3`,
      userId,
      since,
      limit,
    )
    return rows.map((row) => row.created_at)
  }
}

function fromRow(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    botId: row.bot_id,
    userId: row.user_id,
    chatId: row.chat_id,
    payload: JSON.parse(row.payload),
    attempts: row.attempts,
    createdAt: row.created_at,
  }
}
