import type { Database } from '../core/database/database.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { Job } from './job.ts'
import { places } from './places.ts'
import { active } from './states.ts'

/** Where a job that has no subject names its UUID, if it does: payloads of files begin with it. */
const payloadUuid = 'SUBSTR(payload, 10, 36)'

interface Progress {
  /** Bytes that have come. */
  received: number
  /** Those of them that it was promised: what comes beyond, as of an unannounced size, is nobody's promise. */
  kept: number
  /** What its row says of them. */
  written: number
  grewAt: number
}

/** What the jobs that have not ended hold: room on the disk, bytes of quotas, files, a bot, places in the queue. */
export class JobReservations {
  readonly #database: Database
  /** Of running jobs of this process. Their rows follow with each lease that is renewed: until then, others see less. */
  readonly #progress = new Map<number, Progress>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Notes that a running job has `received` bytes on the disk: they are no longer only promised. */
  progressed({ id, size }: Pick<Job, 'id' | 'size'>, received: number): void {
    const before = this.#progress.get(id)
    if (before !== undefined && received <= before.received) return
    const kept = Math.min(received, size)
    this.#progress.set(id, { received, kept, written: before?.written ?? 0, grewAt: monotonicNow() })
  }

  /** Notes that a running job goes on, whatever it has on the disk. */
  grew(id: number): void {
    const before = this.#progress.get(id) ?? { received: 0, kept: 0, written: 0 }
    this.#progress.set(id, { ...before, grewAt: monotonicNow() })
  }

  /** When (`monotonicNow`) a job of this process last had more on the disk than before. */
  grewAt(id: number): number | undefined {
    return this.#progress.get(id)?.grewAt
  }

  /** Bytes that a running job of this process has on the disk, of those that it is promised. */
  receivedBy(id: number): number {
    return this.#progress.get(id)?.kept ?? 0
  }

  /** Notes what the row of a job says that it has on the disk. */
  wrote(id: number, bytes: number): void {
    const progress = this.#progress.get(id)
    if (progress) progress.written = bytes
  }

  /** Forgets what a job had on the disk: it does not run any more. */
  stopped(id: number): void {
    this.#progress.delete(id)
  }

  /** Bytes of disk promised to jobs that have not ended, beyond what they have written. */
  async promised(): Promise<number> {
    // Only of a running job: an older release leaves the column as it is when it puts one back.
    const [row] = await this.#database.query<{ bytes: number | null }>(
      `SELECT SUM(size - CASE WHEN status = 'RUNNING' THEN received ELSE 0 END) AS bytes FROM jobs
       WHERE status IN ${active}`,
    )
    const ours = [...this.#progress.values()]
    const unwritten = ours.reduce((sum, { kept, written }) => sum + kept - written, 0)
    return Math.max(0, Number(row?.bytes ?? 0) - unwritten)
  }

  /**
   * Bytes that jobs which have not ended will count for a user, and for the store, once they are links; without those
   * of one job.
   */
  async reserved(userId: number, except = 0): Promise<{ user: number; store: number }> {
    const [row] = await this.#database.query<{ of_user: number | null; of_store: number | null }>(
      `SELECT (SELECT SUM(COALESCE(user_bytes, size)) FROM jobs
           WHERE user_id = $1 AND status IN ${active} AND id <> $2) AS of_user,
         (SELECT SUM(size) FROM jobs WHERE status IN ${active} AND id <> $2) AS of_store`,
      userId,
      except,
    )
    return { user: Number(row?.of_user ?? 0), store: Number(row?.of_store ?? 0) }
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
}
