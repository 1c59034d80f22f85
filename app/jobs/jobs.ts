import type { Database } from '../core/database.ts'
import { type Log, scrub } from '../core/log.ts'
import { type JobEvent, stages } from './events.ts'
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
  status: Status
  bot_id: number
  user_id: number
  chat_id: number
  size: number
  payload: string
  attempts: number
  created_at: number
  worker: string | null
}

/** What accompanies a move: kept in its event, and partly in the row. */
export interface Move {
  reason?: string
  errorType?: string
  errorMessage?: string
  /** Milliseconds since 1970 before which a queued job is not begun again. */
  dueAt?: number
  /** A move that is not the job's fault does not count as an attempt. */
  uncounted?: boolean
}

/** Who works on a job, and until when it is his without a sign of life. */
export interface Lease {
  worker: string
  until: number
}

const active = `('PENDING', 'QUEUED', 'RUNNING')`

/** Rows of jobs and their events; every change of a status is made by one statement, in `#move`. */
export class Jobs {
  readonly #database: Database
  readonly #log: Log
  /** Bytes that running jobs of this process have on the disk already. */
  readonly #received = new Map<number, number>()
  #queued = () => {}

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  /** Calls `listener` after each commit that queued a job. */
  whenQueued(listener: () => void): void {
    this.#queued = listener
  }

  /**
   * Writes a job as PENDING and queues it. Returns undefined when its key is already known.
   *
   * Users take turns: a job's `turn` is the round in which it is served, and a user has one job in each. Someone with
   * hundreds of jobs stands in hundreds of rounds; a newcomer stands in the one that is being served.
   */
  async create(job: NewJob): Promise<number | undefined> {
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<{ id: number }>(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, due_at,
           created_at, updated_at, turn)
         SELECT $1, $2, 'PENDING', $3, $4, $5, $6, $7, $8, $8, $8,
           CASE WHEN mine.turn >= current.turn THEN mine.turn + 1 ELSE current.turn END
         FROM (SELECT COALESCE(MIN(turn), 1) AS turn FROM jobs WHERE status IN ${active}) AS current,
           (SELECT COALESCE(MAX(turn), 0) AS turn FROM jobs WHERE user_id = $4 AND status IN ${active}) AS mine
         WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE job_key = $2)
         RETURNING id`,
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
      await this.record({ ...job, id: row.id }, 'JOB_CREATED', { size: job.size })
      await this.transition(row.id, 'PENDING', 'QUEUED')
      return row.id
    })
  }

  /**
   * Changes a status. Returns false, logged, when the move is not allowed or the job is not in `from`; with `worker`,
   * also when the job is not this worker's any more.
   */
  async transition(id: number, from: Status, to: Status, move: Move = {}, worker?: string): Promise<boolean> {
    const moved = await this.#move({ sql: '$1', id, worker }, from, to, move)
    if (!moved) this.#log.error({ job_id: id, from, to }, 'move of a job refused: it is in another status')
    return moved !== undefined
  }

  /** Gives the next job of a kind to a worker. */
  async claim(kind: string, lease: Lease): Promise<Job | undefined> {
    return await this.#database.transaction(async () => {
      const next = `(SELECT id FROM jobs WHERE kind = $1 AND status = 'QUEUED' AND due_at <= $4
        ORDER BY turn, id LIMIT 1)`
      const row = await this.#move({ sql: next, id: kind }, 'QUEUED', 'RUNNING', {}, lease)
      if (!row) return undefined
      const job = fromRow(row)
      await this.record(job, 'WORKER_ASSIGNED', { worker: lease.worker, attempts: job.attempts })
      return job
    })
  }

  /**
   * The one statement that writes a status: it checks the old one, so of two processes one loses. A claim's subquery
   * may hand the same row to both; the check lets one have it, and the other asks again.
   */
  async #move(
    which: { sql: string; id: number | string; worker?: string | undefined },
    from: Status,
    to: Status,
    move: Move,
    lease?: Lease,
  ): Promise<JobRow | undefined> {
    if (!mayMove(from, to)) {
      this.#log.error({ job: which.id, from, to }, 'move of a job refused: not allowed')
      return undefined
    }
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<JobRow>(
        `UPDATE jobs SET status = $3, updated_at = $4, due_at = $5, error_type = $6, error_message = $7,
           worker = $8, lease_until = $9, attempts = attempts + $10,
           started_at = CASE WHEN $3 = 'RUNNING' THEN $4 ELSE started_at END
         WHERE id = ${which.sql} AND status = $2 AND ($11 IS NULL OR worker = $11) RETURNING *`,
        which.id,
        from,
        to,
        Date.now(),
        move.dueAt ?? Date.now(),
        move.errorType,
        move.errorMessage && scrub(move.errorMessage),
        lease?.worker,
        lease?.until,
        to === 'RUNNING' ? 1 : move.uncounted ? -1 : 0,
        which.worker,
      )
      if (!row) return undefined
      const { errorType, errorMessage, dueAt, reason } = move
      await this.record(fromRow(row), 'STATUS_CHANGED', {
        from,
        to,
        ...(reason && { reason }),
        ...(errorType && { error_type: errorType, error: errorMessage }),
        ...(dueAt && { due_at: new Date(dueAt).toISOString() }),
      })
      if (to !== 'RUNNING') this.#received.delete(row.id)
      if (to === 'QUEUED') this.#database.afterCommit(() => this.#queued())
      return row
    })
  }

  /** Says that a worker is alive and works on these jobs. Returns those that are still his. */
  async renew({ worker, until }: Lease, ids: number[]): Promise<number[]> {
    if (ids.length === 0) return []
    const rows = await this.#database.query<{ id: number }>(
      `UPDATE jobs SET lease_until = $2 WHERE worker = $1 AND status = 'RUNNING'
         AND id IN (${ids.map((_, i) => `$${i + 3}`).join(', ')}) RETURNING id`,
      worker,
      until,
      ...ids,
    )
    return rows.map((row) => row.id)
  }

  /** Running jobs whose worker is silent past its lease, or gone for certain. */
  async stale(isGone: (worker: string) => boolean): Promise<(Job & { worker: string })[]> {
    const rows = await this.#database.query<JobRow & { lease_until: number }>(
      `SELECT * FROM jobs WHERE status = 'RUNNING' ORDER BY lease_until LIMIT 1000`,
    )
    return rows
      .map((row) => ({ ...fromRow(row), worker: row.worker ?? '', leaseUntil: row.lease_until }))
      .filter(({ worker, leaseUntil }) => leaseUntil < Date.now() || isGone(worker))
  }

  /** Whether a job with this key was ever made. */
  async has(key: string): Promise<boolean> {
    const rows = await this.#database.query('SELECT 1 FROM jobs WHERE job_key = $1', key)
    return rows.length > 0
  }

  /** Lets a queued job that waits for its time begin now, unless it waits for an error of this type. */
  async hurry(id: number, { unless }: { unless: string }): Promise<void> {
    await this.#database.query(
      `UPDATE jobs SET due_at = $2
       WHERE id = $1 AND status = 'QUEUED' AND (error_type IS NULL OR error_type <> $3)`,
      id,
      Date.now(),
      unless,
    )
    this.#database.afterCommit(() => this.#queued())
  }

  async find(id: number): Promise<(Job & { status: Status }) | undefined> {
    const [row] = await this.#database.query<JobRow>('SELECT * FROM jobs WHERE id = $1', id)
    return row && { ...fromRow(row), status: row.status }
  }

  /** Up to `limit` jobs of a kind that have not ended. */
  async active(kind: string, limit: number): Promise<Job[]> {
    const rows = await this.#database.query<JobRow>(
      `SELECT * FROM jobs WHERE kind = $1 AND status IN ${active} ORDER BY user_id, turn LIMIT $2`,
      kind,
      limit,
    )
    return rows.map(fromRow)
  }

  /** Writes an event of a job, as a row and a line of the log. */
  async record(
    job: Pick<Job, 'id' | 'kind' | 'userId' | 'chatId'>,
    event: JobEvent,
    data: object = {},
  ): Promise<void> {
    const context = { job_id: job.id, user_id: job.userId, chat_id: job.chatId, kind: job.kind }
    this.#log.info(
      { ...context, stage: stages[event], event, ...data },
      event.toLowerCase().replaceAll('_', ' '),
    )
    await this.#database.query(
      'INSERT INTO job_events (job_id, event_type, data, created_at) VALUES ($1, $2, $3, $4)',
      job.id,
      event,
      scrub(JSON.stringify(data)),
      Date.now(),
    )
  }

  /** Notes that a running job has `bytes` on the disk: they are no longer only promised. */
  progressed(id: number, bytes: number): void {
    this.#received.set(id, bytes)
  }

  /** Bytes of disk promised to jobs that have not ended, beyond what they have written. */
  async promised(): Promise<number> {
    const [row] = await this.#database.query<{ bytes: number | null }>(
      `SELECT SUM(size) AS bytes FROM jobs WHERE status IN ${active}`,
    )
    const received = [...this.#received.values()].reduce((sum, bytes) => sum + bytes, 0)
    return Math.max(0, Number(row?.bytes ?? 0) - received)
  }

  /** Bytes promised to the jobs of one user that have not ended. */
  async promisedTo(userId: number): Promise<number> {
    const [row] = await this.#database.query<{ bytes: number | null }>(
      `SELECT SUM(size) AS bytes FROM jobs WHERE user_id = $1 AND status IN ${active}`,
      userId,
    )
    return Number(row?.bytes ?? 0)
  }

  /** Seconds until a user or chat may have one more job, if `most` are allowed in any `span` milliseconds. */
  async freeIn(of: { userId: number } | { chatId: number }, span: number, most: number): Promise<number> {
    const [column, id] = 'userId' in of ? ['user_id', of.userId] : ['chat_id', of.chatId]
    const [row] = await this.#database.query<{ created_at: number }>(
      `SELECT created_at FROM jobs WHERE ${column} = $1 AND created_at > $2
       ORDER BY created_at DESC LIMIT 1 OFFSET $3`,
      id,
      Date.now() - span,
      most - 1,
    )
    return row ? Math.max(1, Math.ceil((row.created_at + span - Date.now()) / 1000)) : 0
  }

  /** Jobs that have not ended: all, and one user's. */
  async counts(userId: number): Promise<{ all: number; ofUser: number }> {
    const [row] = await this.#database.query<{ all_jobs: number; of_user: number }>(
      `SELECT (SELECT COUNT(*) FROM jobs WHERE status IN ${active}) AS all_jobs,
         (SELECT COUNT(*) FROM jobs WHERE user_id = $1 AND status IN ${active}) AS of_user`,
      userId,
    )
    return { all: Number(row?.all_jobs ?? 0), ofUser: Number(row?.of_user ?? 0) }
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
