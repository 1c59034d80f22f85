import type { Database } from '../core/database/database.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { JobEvents } from './events.ts'
import { type ClaimedJob, fromRow, type Job, type JobRow, type Lease, noBot } from './job.ts'
import { places } from './places.ts'
import type { JobReservations } from './reservations.ts'
import { active, type Status } from './states.ts'
import { type Last, type Served, Turns, type Waiting } from './turns.ts'

/** Milliseconds for which a job that may have ended the process runs without another such one. */
const suspectAlone = 60_000

/** Events, of the newest, that one look for the turns in other processes may go through. */
const maxSeen = 5000

interface Parts {
  database: Database
  events: JobEvents
  reservations: JobReservations
  /** Moves a queued job to RUNNING; undefined when it is not queued any more. */
  begin(id: number, lease: Lease): Promise<JobRow | undefined>
}

/** Who does which job next, and what became of those who had one: all that a queue asks. */
export class Claims {
  readonly #parts: Parts
  readonly #turns = new Turns()
  /** By its first kind, the lanes in which others waited at the last choice: there, the first question can be left out. */
  readonly #hasMore = new Set<string>()
  /** The last event among those that were looked through for the turns in other processes. */
  #seen = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Notes that a user has had a turn: a job of theirs has begun or ended. */
  served(kind: string, userId: number): void {
    this.#turns.served(kind, userId)
  }

  /**
   * Gives the next job of a lane's kinds to a worker; users take turns. One worker of all processes chooses at a time, so
   * that each knows whom the others serve.
   * @param botId the bot whose jobs are wanted, or `noBot`
   */
  async next(kinds: string[], botId: number, lease: Lease): Promise<ClaimedJob | undefined> {
    const [lane = ''] = kinds
    if (!this.#hasMore.has(lane) && !(await this.#isAnyDue(kinds, botId))) return undefined
    return await this.#parts.database.transaction(async () => {
      await this.#parts.database.serialize('turns')
      const waiting = await this.#waiting(kinds, botId, lease.worker)
      if (waiting.length > 1) this.#hasMore.add(lane)
      else this.#hasMore.delete(lane)
      const next = this.#turns.next(kinds, waiting)
      const row = next && (await this.#parts.begin(next.id, lease))
      if (!row) return undefined
      this.#turns.served(row.kind, row.user_id)
      const claimed = { ...fromRow(row), worker: lease.worker }
      await this.#parts.events.record(claimed, 'WORKER_ASSIGNED', {
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
    return (
      (await this.#parts.database.query(`SELECT 1 FROM jobs WHERE ${sql} LIMIT 1`, ...parameters)).length > 0
    )
  }

  /** Of each user the oldest job that may begin now. What other processes have begun since the last look was a turn. */
  async #waiting(kinds: string[], botId: number, worker: string): Promise<Waiting[]> {
    const { sql, parameters } = this.#due(kinds, botId)
    const [seen, others] = [`$${kinds.length + 4}`, `$${kinds.length + 5}`]
    const rows = await this.#parts.database.query<Waiting | Served | Last>(
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

  /**
   * Says that a worker is alive and works on these jobs, and how far they are. Returns those that are still theirs.
   */
  async renew({ worker, until }: Lease, ids: number[]): Promise<number[]> {
    if (ids.length === 0) return []
    const found = ids.map((id) => ({ id, received: this.#parts.reservations.receivedBy(id) }))
    const selects = found.map(
      (_, i) => `SELECT CAST($${2 * i + 3} AS BIGINT) AS id, CAST($${2 * i + 4} AS BIGINT) AS received`,
    )
    const rows = await this.#parts.database.query<{ id: number }>(
      `UPDATE jobs SET lease_until = $2, received = found.received FROM (${selects.join(' UNION ALL ')}) AS found
       WHERE jobs.id = found.id AND jobs.worker = $1 AND jobs.status = 'RUNNING' RETURNING jobs.id`,
      worker,
      until,
      ...found.flatMap(({ id, received }) => [id, received]),
    )
    const ours = new Set(rows.map(({ id }) => id))
    for (const { id, received } of found) if (ours.has(id)) this.#parts.reservations.wrote(id, received)
    return [...ours]
  }

  /** Up to 1000 running jobs of these kinds, with those first whose worker is silent longest. */
  async running(kinds: string[]): Promise<(ClaimedJob & { leaseUntil: number })[]> {
    const rows = await this.#parts.database.query<JobRow & { lease_until: number }>(
      `SELECT * FROM jobs WHERE status = 'RUNNING' AND kind IN (${places(kinds, 1)}) ORDER BY lease_until LIMIT 1000`,
      ...kinds,
    )
    return rows.map((row) => ({
      ...fromRow(row),
      worker: row.worker ?? '',
      leaseUntil: Number(row.lease_until),
    }))
  }

  /** Whoever has a job, whether that process still lives or not. */
  async workers(): Promise<string[]> {
    const rows = await this.#parts.database.query<{ worker: string }>(
      `SELECT DISTINCT worker FROM jobs WHERE status = 'RUNNING' AND worker IS NOT NULL`,
    )
    return rows.map(({ worker }) => worker)
  }

  /**
   * Up to `limit` jobs of these kinds and of other bots that have not ended and on which nobody works; in no order: by
   * their ids, SQLite would walk through every job that ever ended.
   */
  async ofOthers(kinds: string[], botId: number, limit: number): Promise<(Job & { status: Status })[]> {
    const rows = await this.#parts.database.query<JobRow>(
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
    const rows = await this.#parts.database.query<{ kind: string; jobs: number; since: number }>(
      `SELECT kind, COUNT(*) AS jobs, MIN(due_at) AS since FROM jobs
       WHERE status = 'QUEUED' AND kind IN (${places(kinds, 3)}) AND bot_id IN (${noBot}, $1) AND due_at <= $2
       GROUP BY kind`,
      botId,
      monotonicNow(),
      ...kinds,
    )
    return rows.map(({ kind, jobs, since }) => ({ kind, count: Number(jobs), since: Number(since) }))
  }
}
