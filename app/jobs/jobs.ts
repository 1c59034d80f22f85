import type { z } from 'zod'
import type { Database } from '../core/database/database.ts'
import { type Log, scrub } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { JobEvents } from './events.ts'
import { type ClaimedJob, fromRow, type Job, type JobRow, type Lease, type NewJob, noBot } from './job.ts'
import { type JobType, payloadOf } from './kind.ts'
import { places } from './places.ts'
import { longestSpan, RateSlots } from './rate-slots.ts'
import { JobReservations } from './reservations.ts'
import { active, ended, type Move, mayMove, type Status } from './states.ts'
import { type Last, type Served, Turns, type Waiting } from './turns.ts'

/** Where a job that has no subject names its UUID, if it does: payloads of files begin with it. */
const payloadUuid = 'SUBSTR(payload, 10, 36)'

/** Milliseconds for which a job that may have ended the process runs without another such one. */
const suspectAlone = 60_000

/** Events, of the newest, that one look for the turns in other processes may go through. */
const maxSeen = 5000

/** Rows of jobs; every change of a status is made by one statement, in `#move`. */
export class Jobs {
  readonly events: JobEvents
  readonly reservations: JobReservations
  readonly slots: RateSlots
  readonly #database: Database
  readonly #log: Log
  readonly #turns = new Turns()
  /** By its first kind, the lanes in which others waited at the last choice: there, the first question can be left out. */
  readonly #hasMore = new Set<string>()
  /** The last event among those that were looked through for the turns in other processes. */
  #seen = 0
  #queued = (_kind: string) => {}

  constructor(database: Database, log: Log) {
    this.events = new JobEvents(database, log)
    this.reservations = new JobReservations(database)
    this.slots = new RateSlots(database)
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

  /**
   * Gives the next job of a lane's kinds to a worker; users take turns. One worker of all processes chooses at a time, so
   * that each knows whom the others serve.
   * @param botId the bot whose jobs are wanted, or `noBot`
   */
  async claim(kinds: string[], botId: number, lease: Lease): Promise<ClaimedJob | undefined> {
    const [lane = ''] = kinds
    if (!this.#hasMore.has(lane) && !(await this.#isAnyDue(kinds, botId))) return undefined
    return await this.#database.transaction(async () => {
      await this.#database.serialize('turns')
      const waiting = await this.#waiting(kinds, botId, lease.worker)
      if (waiting.length > 1) this.#hasMore.add(lane)
      else this.#hasMore.delete(lane)
      const next = this.#turns.next(kinds, waiting)
      const row = next && (await this.#move({ id: next.id }, 'QUEUED', 'RUNNING', {}, lease))
      if (!row) return undefined
      this.#turns.served(row.kind, row.user_id)
      const claimed = { ...fromRow(row), worker: lease.worker }
      await this.events.record(claimed, 'WORKER_ASSIGNED', {
        worker: lease.worker,
        attempts: claimed.attempts,
      })
      return claimed
    })
  }

  /**
   * What may begin now. Jobs that were running when a process ended, each of which may have ended it, begin one at a
   * time: so one that does it again takes none of them along. After a minute the next one begins all the same: a large
   * file may run for hours.
   */
  #due(kinds: string[], botId: number): { sql: string; parameters: unknown[] } {
    const now = monotonicNow()
    const sql = `kind IN (${places(kinds, 4)}) AND bot_id = $1 AND status = 'QUEUED' AND due_at <= $2 AND (crashes = 0
      OR NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.status = 'RUNNING' AND other.crashes > 0
        AND other.due_at > $3))`
    // A running job was due, for the last time, when it began.
    return { sql, parameters: [botId, now, now - suspectAlone, ...kinds] }
  }

  async #isAnyDue(kinds: string[], botId: number): Promise<boolean> {
    const { sql, parameters } = this.#due(kinds, botId)
    return (await this.#database.query(`SELECT 1 FROM jobs WHERE ${sql} LIMIT 1`, ...parameters)).length > 0
  }

  /** Of each user the oldest job that may begin now. What other processes have begun since the last look was a turn. */
  async #waiting(kinds: string[], botId: number, worker: string): Promise<Waiting[]> {
    const { sql, parameters } = this.#due(kinds, botId)
    const [seen, others] = [`$${kinds.length + 4}`, `$${kinds.length + 5}`]
    const rows = await this.#database.query<Waiting | Served | Last>(
      `SELECT user_id, MIN(id) AS id, MIN(slot_at) AS since, NULL AS kind FROM jobs WHERE ${sql} GROUP BY user_id
       UNION ALL SELECT jobs.user_id, job_events.id, NULL, jobs.kind
         FROM job_events JOIN jobs ON jobs.id = job_events.job_id
         WHERE job_events.id > (SELECT CASE WHEN MAX(id) - ${maxSeen} > ${seen} THEN MAX(id) - ${maxSeen} ELSE ${seen} END
             FROM job_events)
           AND event_type = 'WORKER_ASSIGNED' AND data NOT LIKE ${others}
       UNION ALL SELECT NULL, MAX(id), NULL, NULL FROM job_events`,
      ...parameters,
      this.#seen,
      `{"worker":"${worker}"%`,
    )
    const last = rows.find((row) => row.user_id === null)
    this.#seen = Number(last?.id ?? this.#seen)
    const served = rows.filter((row) => row.kind !== null).sort((one, other) => one.id - other.id)
    for (const { kind, user_id } of served) this.#turns.served(kind, user_id)
    return rows.filter((row) => row.user_id !== null && row.kind === null)
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
      if (from === 'RUNNING') this.#turns.served(row.kind, row.user_id)
      if (to !== 'RUNNING') this.reservations.stopped(row.id)
      if (to === 'QUEUED') this.#database.afterCommit(() => this.#queued(row.kind))
      return row
    })
  }

  /**
   * Says that a worker is alive and works on these jobs, and how far they are. Returns those that are still theirs.
   */
  async renew({ worker, until }: Lease, ids: number[]): Promise<number[]> {
    if (ids.length === 0) return []
    const found = ids.map((id) => ({ id, received: this.reservations.receivedBy(id) }))
    const selects = found.map(
      (_, i) => `SELECT CAST($${2 * i + 3} AS BIGINT) AS id, CAST($${2 * i + 4} AS BIGINT) AS received`,
    )
    const rows = await this.#database.query<{ id: number }>(
      `UPDATE jobs SET lease_until = $2, received = found.received FROM (${selects.join(' UNION ALL ')}) AS found
       WHERE jobs.id = found.id AND jobs.worker = $1 AND jobs.status = 'RUNNING' RETURNING jobs.id`,
      worker,
      until,
      ...found.flatMap(({ id, received }) => [id, received]),
    )
    const ours = new Set(rows.map(({ id }) => id))
    for (const { id, received } of found) if (ours.has(id)) this.reservations.wrote(id, received)
    return [...ours]
  }

  /** Up to 1000 running jobs of these kinds, with those first whose worker is silent longest. */
  async running(kinds: string[]): Promise<(ClaimedJob & { leaseUntil: number })[]> {
    const rows = await this.#database.query<JobRow & { lease_until: number }>(
      `SELECT * FROM jobs WHERE status = 'RUNNING' AND kind IN (${places(kinds, 1)}) ORDER BY lease_until LIMIT 1000`,
      ...kinds,
    )
    return rows.map((row) => ({
      ...fromRow(row),
      worker: row.worker ?? '',
      leaseUntil: Number(row.lease_until),
    }))
  }

  /** Who works on any job, or did when it ended. */
  async workers(): Promise<string[]> {
    const rows = await this.#database.query<{ worker: string }>(
      `SELECT DISTINCT worker FROM jobs WHERE status = 'RUNNING' AND worker IS NOT NULL`,
    )
    return rows.map(({ worker }) => worker)
  }

  /**
   * Up to `limit` jobs of these kinds and of other bots that have not ended and on which nobody works; in no order: by
   * their ids, SQLite would walk through every job that ever ended.
   */
  async ofOthers(kinds: string[], botId: number, limit: number): Promise<(Job & { status: Status })[]> {
    const rows = await this.#database.query<JobRow>(
      `SELECT * FROM jobs WHERE status IN ${active} AND status <> 'RUNNING' AND bot_id NOT IN (${noBot}, $1)
         AND kind IN (${places(kinds, 3)}) LIMIT $2`,
      botId,
      limit,
      ...kinds,
    )
    return rows.map((row) => ({ ...fromRow(row), status: row.status }))
  }

  /** How many jobs that need no bot, or this one, might run now and do not, by kind, and since when (`monotonicNow`). */
  async overdue(kinds: string[], botId = noBot): Promise<{ kind: string; count: number; since: number }[]> {
    const rows = await this.#database.query<{ kind: string; jobs: number; since: number }>(
      `SELECT kind, COUNT(*) AS jobs, MIN(due_at) AS since FROM jobs
       WHERE status = 'QUEUED' AND kind IN (${places(kinds, 3)}) AND bot_id IN (${noBot}, $1) AND due_at <= $2
       GROUP BY kind`,
      botId,
      monotonicNow(),
      ...kinds,
    )
    return rows.map(({ kind, jobs, since }) => ({ kind, count: Number(jobs), since: Number(since) }))
  }

  /** Jobs of these kinds that have not ended: all, and one user's. */
  async counts(kinds: string[], userId: number): Promise<{ all: number; ofUser: number }> {
    const ofThese = `kind IN (${places(kinds, 2)}) AND status IN ${active}`
    const [row] = await this.#database.query<{ all_jobs: number; of_user: number }>(
      `SELECT (SELECT COUNT(*) FROM jobs WHERE ${ofThese}) AS all_jobs,
         (SELECT COUNT(*) FROM jobs WHERE user_id = $1 AND ${ofThese}) AS of_user`,
      userId,
      ...kinds,
    )
    return { all: Number(row?.all_jobs ?? 0), ofUser: Number(row?.of_user ?? 0) }
  }

  /** Whether a job of any kind that has not ended needs a bot. */
  async anyOf(botId: number): Promise<boolean> {
    const sql = `SELECT 1 FROM jobs WHERE status IN ${active} AND bot_id = $1 LIMIT 1`
    return (await this.#database.query(sql, botId)).length > 0
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
   * Those of up to some hundreds of UUIDs that a job of any kind holds which has not ended: it is to make the file, or
   * needs it. Nobody may remove what lies under them.
   */
  async held(uuids: string[]): Promise<Set<string>> {
    if (uuids.length === 0) return new Set()
    const these = places(uuids, 1)
    // The release before writes no subject; after a rollback and an upgrade its jobs are known by their payload.
    const rows = await this.#database.query<{ uuid: string }>(
      `SELECT subject AS uuid FROM jobs WHERE status IN ${active} AND subject IN (${these})
       UNION ALL SELECT ${payloadUuid} FROM jobs
         WHERE status IN ${active} AND subject IS NULL AND ${payloadUuid} IN (${these})`,
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
