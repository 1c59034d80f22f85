import type { z } from 'zod'
import type { Database } from '../core/database/database.ts'
import { type Log, scrub } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { Claims } from './claims.ts'
import { JobEvents } from './events.ts'
import { fromRow, type Job, type JobRow, type Lease, type NewJob, noBot } from './job.ts'
import { type JobType, payloadOf } from './kind.ts'
import { longestSpan, RateSlots } from './rate-slots.ts'
import { JobReservations } from './reservations.ts'
import { active, ended, type Move, mayMove, type Status } from './states.ts'

/** Rows of jobs; every change of a status is made by one statement, in `#move`. */
export class Jobs {
  readonly events: JobEvents
  readonly reservations: JobReservations
  readonly slots: RateSlots
  readonly claims: Claims
  readonly #database: Database
  readonly #log: Log
  #queued = (_kind: string) => {}

  constructor(database: Database, log: Log) {
    this.events = new JobEvents(database, log)
    this.reservations = new JobReservations(database)
    this.slots = new RateSlots(database)
    const begin = (id: number, lease: Lease) => this.#move({ id }, 'QUEUED', 'RUNNING', {}, lease)
    this.claims = new Claims({ database, events: this.events, reservations: this.reservations, begin })
    this.#database = database
    this.#log = log
  }

  /** Calls `listener` with its kind after each commit that queued a job. */
  whenQueued(listener: (kind: string) => void): void {
    this.#queued = listener
  }

  /**
   * Writes a job as PENDING and queues it. Returns undefined when its key is already known.
   * @throws UnreadablePayload
   */
  async create<S extends z.ZodType>(type: JobType<S>, job: NewJob<S>): Promise<number | undefined> {
    const dueAt = job.dueAt ?? monotonicNow()
    const { file, bytes = 0, userBytes = bytes } = type.holds(payloadOf(type, job))
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<{ id: number }>(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, user_bytes, payload, due_at, slot_at,
           created_at, updated_at, subject, turn)
         VALUES ($1, $2, 'PENDING', $3, $4, $5, $6, $7, $8, $9, $9, $10, $10, $11, 0)
         ON CONFLICT (job_key) DO NOTHING RETURNING id`,
        type.name,
        job.key,
        job.botId ?? noBot,
        job.userId,
        job.chatId,
        bytes,
        userBytes,
        JSON.stringify(job.payload),
        dueAt,
        Date.now(),
        file,
      )
      if (!row) return undefined
      await this.events.record({ ...job, kind: type.name, id: row.id }, 'JOB_CREATED', { size: bytes })
      await this.transition(row.id, 'PENDING', 'QUEUED', { dueAt })
      return row.id
    })
  }

  /**
   * Changes a status. Returns false, logged, when the move is not allowed or the job is not in `from`; with `worker`,
   * also when the job is not this worker's any more.
   */
  async transition(id: number, from: Status, to: Status, move: Move = {}, worker?: string): Promise<boolean> {
    const moved = await this.#move({ id, worker }, from, to, move)
    if (!moved) this.#log.error({ job_id: id, from, to }, 'move of a job refused: it is in another status')
    return moved !== undefined
  }

  /** The one statement that writes a status: it checks the old one, so of two processes one loses. */
  async #move(
    which: { id: number; worker?: string | undefined },
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
           started_at = CASE WHEN $3 = 'RUNNING' THEN $4 ELSE started_at END,
           kind = COALESCE($12, kind), size = COALESCE($13, size),
           deferrals = deferrals + $14, crashes = crashes + $15, received = 0
         WHERE id = $1 AND status = $2 AND (CAST($11 AS TEXT) IS NULL OR worker = $11) RETURNING *`,
        which.id,
        from,
        to,
        Date.now(),
        move.dueAt ?? monotonicNow(),
        move.errorType,
        move.errorMessage && scrub(move.errorMessage),
        lease?.worker,
        lease?.until,
        to === 'RUNNING' ? 1 : move.countsAsAttempt === false ? -1 : 0,
        which.worker,
        move.as?.kind,
        move.as?.size,
        Number(move.deferred ?? false),
        Number(move.crashed ?? false),
      )
      if (!row) return undefined
      const { errorType, errorMessage, dueAt, reason, as } = move
      await this.events.record(fromRow(row), 'STATUS_CHANGED', {
        from,
        to,
        ...(reason && { reason }),
        ...as,
        ...(errorType && { error_type: errorType, error: errorMessage }),
        ...(dueAt && { due_at: new Date(Date.now() + dueAt - monotonicNow()).toISOString() }),
      })
      if (from === 'RUNNING') this.claims.served(row.kind, row.user_id)
      if (to !== 'RUNNING') this.reservations.stopped(row.id)
      if (to === 'QUEUED') this.#database.afterCommit(() => this.#queued(row.kind))
      return row
    })
  }

  /** The job that was made with this key, however long ago. */
  async idOf(key: string): Promise<number | undefined> {
    const [row] = await this.#database.query<{ id: number }>('SELECT id FROM jobs WHERE job_key = $1', key)
    return row?.id
  }

  /**
   * Lets a queued job that waits for its next attempt begin now, unless it waits for an error of this type; not before
   * its turn under the rate limits. Returns what it waits for all the same, and for how many milliseconds; undefined when
   * it is not in the queue.
   */
  async hurry(
    id: number,
    { unless }: { unless: string },
  ): Promise<{ wait: number; errorType: string | null } | undefined> {
    const now = monotonicNow()
    const [row] = await this.#database.query<
      Pick<JobRow, 'kind'> & { due_at: number; error_type: string | null }
    >(
      `UPDATE jobs SET due_at = CASE WHEN error_type = $3 THEN due_at WHEN slot_at > $2 THEN slot_at ELSE $2 END
       WHERE id = $1 AND status = 'QUEUED' RETURNING kind, due_at, error_type`,
      id,
      now,
      unless,
    )
    if (!row) return undefined
    this.#database.afterCommit(() => this.#queued(row.kind))
    return { wait: Math.max(0, row.due_at - now), errorType: row.error_type }
  }

  async find(id: number): Promise<(Job & { status: Status }) | undefined> {
    const [row] = await this.#database.query<JobRow>('SELECT * FROM jobs WHERE id = $1', id)
    return row && { ...fromRow(row), status: row.status }
  }

  /**
   * Moves the times of jobs that have not ended, and of those that limits still count, by so many milliseconds: the
   * clock was set, and what was due in a minute would be due in a month, or have been a month ago.
   */
  async shiftTimes(by: number): Promise<void> {
    const sql = `UPDATE jobs SET due_at = due_at + $1, lease_until = lease_until + $1 WHERE status IN ${active}`
    await this.#database.query(sql, by)
    const now = Date.now()
    const moves = { slot_at: by < 0 ? now : now - by - longestSpan, created_at: now }
    for (const [column, since] of Object.entries(moves)) {
      const sql = `UPDATE jobs SET ${column} = ${column} + $1 WHERE ${column} > $2`
      await this.#database.query(sql, by, since)
    }
  }

  /** Up to `limit` jobs of a kind that have not ended. */
  async active(kind: string, limit: number): Promise<Job[]> {
    const rows = await this.#database.query<JobRow>(
      `SELECT * FROM jobs WHERE kind = $1 AND status IN ${active} ORDER BY user_id, id LIMIT $2`,
      kind,
      limit,
    )
    return rows.map(fromRow)
  }

  /** A group has become a supergroup. */
  async moveChat(botId: number, from: number, to: number): Promise<void> {
    const sql = 'UPDATE jobs SET chat_id = $3 WHERE bot_id = $1 AND chat_id = $2'
    await this.#database.query(sql, botId, from, to)
  }

  /**
   * Removes up to `limit` jobs that ended before a moment (milliseconds since 1970), oldest first, with their events.
   * Returns how many. The newest job stays in any case: SQLite would give its id again, and buttons name ids.
   */
  async forgetEnded(before: number, limit: number): Promise<number> {
    const rows = await this.#database.query(
      `DELETE FROM jobs WHERE id IN (
         SELECT id FROM jobs WHERE status IN ${ended} AND updated_at < $1 AND id < (SELECT MAX(id) FROM jobs)
         ORDER BY updated_at LIMIT $2
       ) RETURNING id`,
      before,
      limit,
    )
    return rows.length
  }
}
