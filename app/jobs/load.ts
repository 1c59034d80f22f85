import type { Database } from '../core/database.ts'
import { active } from './states.ts'

/** What the jobs that have not ended ask for: room on the disk, and places in the queue. */
export class Load {
  readonly #database: Database
  /** Bytes that running jobs of this process have on the disk already. */
  readonly #received = new Map<number, number>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Notes that a running job has `bytes` on the disk: they are no longer only promised. */
  progressed(id: number, bytes: number): void {
    this.#received.set(id, bytes)
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
