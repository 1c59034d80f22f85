import type { Database } from '../core/database/database.ts'
import { type Log, scrub } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { JobEvents } from './events.ts'
import { type ClaimedJob, fromRow, type Job, type JobRow, type Lease, type NewJob } from './job.ts'
import { Load, longestSpan } from './load.ts'
import { active, ended, type Move, mayMove, type Status } from './states.ts'
import { Turns, type Waiting } from './turns.ts'

/** Where a job that has no subject names its UUID, if it does: payloads of files begin with it. */
const payloadUuid = 'SUBSTR(payload, 10, 36)'

/** Milliseconds for which a job that may have ended the process runs without another such one. */
const suspectAlone = 60_000

/** Rows of jobs; every change of a status is made by one statement, in `#move`. */
export class Jobs {
  readonly events: JobEvents
  readonly load: Load
  readonly #database: Database
  readonly #log: Log
  readonly #turns = new Turns()
  #queued = () => {}

  constructor(database: Database, log: Log) {
    this.events = new JobEvents(database, log)
    this.load = new Load(database)
    this.#database = database
    this.#log = log
  }

  /** Calls `listener` after each commit that queued a job. */
  whenQueued(listener: () => void): void {
    this.#queued = listener
  }

  /** Writes a job as PENDING and queues it. Returns undefined when its key is already known. */
  async create(job: NewJob): Promise<number | undefined> {
    const dueAt = job.dueAt ?? monotonicNow()
    return await this.#database.transaction(async () => {
      const [row] = await this.#database.query<{ id: number }>(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, user_bytes, payload, due_at, slot_at,
           created_at, updated_at, subject, turn)
         SELECT $1, $2, 'PENDING', $3, $4, $5, $6, $7, $8, $9, $9, $10, $10, $11, 0
         WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE job_key = $2)
         ON CONFLICT (job_key) DO NOTHING RETURNING id`,
        job.kind,
        job.key,
        job.botId,
        job.userId,
        job.chatId,
        job.size,
        job.userBytes ?? job.size,
        JSON.stringify(job.payload),
        dueAt,
        Date.now(),
        job.subject,
      )
      if (!row) return undefined
      await this.events.record({ ...job, id: row.id }, 'JOB_CREATED', { size: job.size })
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

  /** Gives the next job of a kind, of one bot, to a worker; users take turns. */
  async claim(kind: string, botId: number, lease: Lease): Promise<ClaimedJob | undefined> {
    for (;;) {
      const next = this.#turns.next(kind, await this.#waiting(kind, botId))
      if (!next) return undefined
      // Whoever asks at the same moment sees that this user has had a turn.
      this.#turns.served(kind, next.user_id)
      const job = await this.#database.transaction(async () => {
        const row = await this.#move({ id: next.id }, 'QUEUED', 'RUNNING', {}, lease)
        if (!row) return undefined
        const claimed = { ...fromRow(row), worker: lease.worker }
        await this.events.record(claimed, 'WORKER_ASSIGNED', {
          worker: lease.worker,
          attempts: claimed.attempts,
        })
        return claimed
      })
      // Another worker was faster: there is one less to choose from.
      if (job) return job
    }
  }

  /**
   * Of each user the oldest job that may begin now. Jobs that were running when a process ended, each of which may
   * have ended it, begin one at a time: so one that does it again takes none of them along. After a minute the next
   * one begins all the same: a large file may run for hours.
   */
  async #waiting(kind: string, botId: number): Promise<Waiting[]> {
    const now = monotonicNow()
    return await this.#database.query<Waiting>(
      `SELECT user_id, MIN(id) AS id, MIN(slot_at) AS since FROM jobs
       WHERE kind = $1 AND bot_id = $2 AND status = 'QUEUED' AND due_at <= $3 AND (crashes = 0
         OR NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.status = 'RUNNING' AND other.crashes > 0
           AND other.due_at > $4))
       GROUP BY user_id`,
      kind,
      botId,
      now,
      // A running job was due, for the last time, when it began.
      now - suspectAlone,
    )
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
           deferrals = deferrals + $14, crashes = crashes + $15
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
        to === 'RUNNING' ? 1 : move.uncounted ? -1 : 0,
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
      if (from === 'RUNNING') this.#turns.served(row.kind, row.user_id)
      if (to !== 'RUNNING') this.load.stopped(row.id)
      if (to === 'QUEUED') this.#database.afterCommit(() => this.#queued())
      return row
    })
  }

  /** Says that a worker is alive and works on these jobs. Returns those that are still theirs. */
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

  /** Up to 1000 running jobs, with those first whose worker is silent longest. */
  async running(): Promise<(ClaimedJob & { leaseUntil: number })[]> {
    const rows = await this.#database.query<JobRow & { lease_until: number }>(
      `SELECT * FROM jobs WHERE status = 'RUNNING' ORDER BY lease_until LIMIT 1000`,
    )
    return rows.map((row) => ({ ...fromRow(row), worker: row.worker ?? '', leaseUntil: row.lease_until }))
  }

  /**
   * Up to `limit` jobs of other bots that have not ended and on which nobody works; in no order: by their ids, SQLite
   * would walk through every job that ever ended.
   */
  async ofOthers(botId: number, limit: number): Promise<(Job & { status: Status })[]> {
    const rows = await this.#database.query<JobRow>(
      `SELECT * FROM jobs WHERE status IN ${active} AND status <> 'RUNNING' AND bot_id <> $1 LIMIT $2`,
      botId,
      limit,
    )
    return rows.map((row) => ({ ...fromRow(row), status: row.status }))
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
    const [row] = await this.#database.query<{ due_at: number; error_type: string | null }>(
      `UPDATE jobs SET due_at = CASE WHEN error_type = $3 THEN due_at WHEN slot_at > $2 THEN slot_at ELSE $2 END
       WHERE id = $1 AND status = 'QUEUED' RETURNING due_at, error_type`,
      id,
      now,
      unless,
    )
    this.#database.afterCommit(() => this.#queued())
    return row && { wait: Math.max(0, row.due_at - now), errorType: row.error_type }
  }

  async find(id: number): Promise<(Job & { status: Status }) | undefined> {
    const [row] = await this.#database.query<JobRow>('SELECT * FROM jobs WHERE id = $1', id)
    return row && { ...fromRow(row), status: row.status }
  }

  /** Those of up to some hundreds of UUIDs that a job which has not ended is to make. */
  async making(uuids: string[]): Promise<Set<string>> {
    if (uuids.length === 0) return new Set()
    const places = uuids.map((_, i) => `$${i + 1}`).join(', ')
    // The release before writes no subject; after a rollback and an upgrade its jobs are known by their payload.
    const rows = await this.#database.query<{ uuid: string }>(
      `SELECT subject AS uuid FROM jobs WHERE status IN ${active} AND subject IN (${places})
       UNION ALL SELECT ${payloadUuid} FROM jobs
         WHERE status IN ${active} AND subject IS NULL AND ${payloadUuid} IN (${places})`,
      ...uuids,
    )
    return new Set(rows.map(({ uuid }) => uuid))
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
