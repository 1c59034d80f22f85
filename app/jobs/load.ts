import type { Database } from '../core/database/database.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { active } from './states.ts'

/** Milliseconds of the longest span of a limit. */
export const longestSpan = 3_600_000

/** So many jobs of a user, or of a chat, may begin within any `span` milliseconds. */
export interface RateLimit {
  of: { userId: number } | { chatId: number }
  span: number
  most: number
}

/** What the jobs that have not ended ask for: room on the disk, and places in the queue. */
export class Load {
  readonly #database: Database
  /** Bytes that running jobs of this process have on the disk already, and when they last became more. */
  readonly #received = new Map<number, { bytes: number; grewAt: number }>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Notes that a running job has `bytes` on the disk: they are no longer only promised. */
  progressed(id: number, bytes: number): void {
    const before = this.#received.get(id)
    if (before === undefined || bytes > before.bytes)
      this.#received.set(id, { bytes, grewAt: monotonicNow() })
  }

  /** Notes that a running job goes on, whatever it has on the disk. */
  grew(id: number): void {
    this.#received.set(id, { bytes: this.#received.get(id)?.bytes ?? 0, grewAt: monotonicNow() })
  }

  /** When (`monotonicNow`) a job of this process last had more on the disk than before. */
  grewAt(id: number): number | undefined {
    return this.#received.get(id)?.grewAt
  }

  /** Forgets what a job had on the disk: it does not run any more. */
  stopped(id: number): void {
    this.#received.delete(id)
  }

  /** Bytes of disk promised to jobs that have not ended, beyond what they have written. */
  async promised(): Promise<number> {
    const [row] = await this.#database.query<{ bytes: number | null }>(
      `SELECT SUM(size) AS bytes FROM jobs WHERE status IN ${active}`,
    )
    const received = [...this.#received.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    return Math.max(0, Number(row?.bytes ?? 0) - received)
  }

  /**
   * Bytes that jobs which have not ended will count for a user, and for the store, once they are links; without those
   * of one job.
   */
  async reserved(userId: number, except?: number): Promise<{ user: number; store: number }> {
    const [row] = await this.#database.query<{ of_user: number | null; of_store: number | null }>(
      `SELECT (SELECT SUM(COALESCE(user_bytes, size)) FROM jobs
           WHERE user_id = $1 AND status IN ${active} AND id <> $2) AS of_user,
         (SELECT SUM(size) FROM jobs WHERE status IN ${active} AND id <> $2) AS of_store`,
      userId,
      except ?? 0,
    )
    return { user: Number(row?.of_user ?? 0), store: Number(row?.of_store ?? 0) }
  }

  /** How many jobs of a bot might run now and do not, by kind, and since when (`monotonicNow`) the first of them. */
  async overdue(botId: number): Promise<{ kind: string; count: number; since: number }[]> {
    const rows = await this.#database.query<{ kind: string; jobs: number; since: number }>(
      `SELECT kind, COUNT(*) AS jobs, MIN(due_at) AS since FROM jobs
       WHERE status = 'QUEUED' AND bot_id = $1 AND due_at <= $2 GROUP BY kind`,
      botId,
      monotonicNow(),
    )
    return rows.map(({ kind, jobs, since }) => ({ kind, count: Number(jobs), since: Number(since) }))
  }

  /**
   * The first moment from now on (`monotonicNow`) at which one more job may begin without breaking any of the limits.
   * Jobs count at the moment at which it was their turn, also one that is still to come: of 50 that are asked for at
   * once under a limit of 10 a minute, 10 may begin now, 10 in a minute, and so on.
   */
  async nextSlot(limits: RateLimit[]): Promise<number> {
    let slot = monotonicNow()
    const taken = await Promise.all(limits.map((limit) => this.#slots(limit, slot)))
    // A later moment for one limit may be full for another.
    for (let before = -1; before < slot; ) {
      before = slot
      for (const [at, limit] of limits.entries()) slot = firstFree(taken[at] ?? [], limit, slot)
    }
    return slot
  }

  /** Whether a job that has its turn at a moment had to wait until then for this limit: a span after another job's. */
  async hasActed({ of, span }: RateLimit, at: number): Promise<boolean> {
    const [column, id] = owner(of)
    const sql = `SELECT 1 FROM jobs WHERE ${column} = $1 AND slot_at = $2 LIMIT 1`
    return (await this.#database.query(sql, id, at - span)).length > 0
  }

  async #slots({ of, span }: RateLimit, now: number): Promise<number[]> {
    const [column, id] = owner(of)
    const rows = await this.#database.query<{ slot_at: number }>(
      `SELECT slot_at FROM jobs WHERE ${column} = $1 AND slot_at > $2 ORDER BY slot_at`,
      id,
      now - span,
    )
    return rows.map(({ slot_at }) => Number(slot_at))
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

function owner(of: RateLimit['of']): [column: string, id: number] {
  return 'userId' in of ? ['user_id', of.userId] : ['chat_id', of.chatId]
}

/** The first moment from `from` on at which no span of a limit would hold too many; `slots` are in their order. */
function firstFree(slots: number[], { span, most }: RateLimit, from: number): number {
  let free = from
  for (let first = 0; first + most <= slots.length; first++) {
    // These `most` fill every span that holds all of them.
    const [begin, end] = [Number(slots[first]), Number(slots[first + most - 1])]
    if (free > end - span && free < begin + span) free = begin + span
  }
  return free
}
