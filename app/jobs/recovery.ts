import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { hasCrashed, isGone } from '../core/worker.ts'
import type { InHand } from './in-hand.ts'
import type { ClaimedJob, Job } from './job.ts'
import type { Jobs } from './jobs.ts'
import { JobCrashes, type JobKind, OtherBot } from './kind.ts'
import type { Status } from './states.ts'

/** Jobs ended in one transaction; others of this process wait meanwhile. */
const batch = 100

interface Parts {
  jobs: Jobs
  /** Those that this process does: what becomes of others is for who does them. */
  kinds: JobKind[]
  inHand: InHand
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
}

/** Finds an end, or a new beginning, for jobs that nobody works on any more. */
export class Recovery {
  readonly #parts: Parts
  readonly #kinds: Map<string, JobKind>
  #isFirst = true

  constructor(parts: Parts) {
    this.#parts = parts
    this.#kinds = new Map(parts.kinds.map((kind) => [kind.name, kind]))
  }

  /** Puts jobs back whose worker is gone, and ends those that take it along each time. Returns how many. */
  async putBack(): Promise<number> {
    const { jobs, inHand } = this.#parts
    if (this.#kinds.size === 0) return 0
    const running = await jobs.claims.running([...this.#kinds.keys()])
    const gone = running.filter(
      ({ worker, leaseUntil }) => leaseUntil < monotonicNow() || isGone(worker, inHand.worker),
    )
    for (const job of gone) {
      const isSuspect = hasCrashed(job.worker, inHand.worker) && (await inHand.had(job.worker, job.id))
      await this.#recover(job, isSuspect)
    }
    if (gone.length > 0 || this.#isFirst) await inHand.forgetAllBut(await jobs.claims.workers())
    this.#isFirst = false
    return gone.length
  }

  async #recover(job: ClaimedJob, hasCrashed: boolean): Promise<void> {
    const { jobs, transaction } = this.#parts
    const crashes = job.crashes + Number(hasCrashed)
    const kind = this.#kinds.get(job.kind)
    if (!kind) return
    if (crashes >= kind.maxCrashes) {
      const error = new JobCrashes(`the process ended ${crashes} times while it ran`)
      const ends = (hasWord: boolean) =>
        this.#end(kind, job, 'RUNNING', error, { crashed: hasCrashed, hasWord, worker: job.worker })
      return await this.#withWord(ends)
    }
    // The first time all that ran begin again at once; the second time others go first.
    const { retries } = kind
    const wait = crashes < 2 ? 0 : (retries[Math.min(crashes - 2, retries.length - 1)] ?? 0) * 1000
    await transaction(async () => {
      // No fault of the job, as far as is known: an attempt that its worker did not survive is not counted.
      const move = {
        reason: 'worker gone',
        countsAsAttempt: false,
        crashed: hasCrashed,
        dueAt: monotonicNow() + wait,
      }
      if (await jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)) {
        await jobs.events.record(job, 'JOB_RECOVERED_STALE', { ...(hasCrashed && { crashes }) })
      }
    })
  }

  /**
   * Ends the jobs of a bot that was here before: nothing of them can be fetched with this one's token. Their messages
   * wait; should that bot come back, its chats are told and can ask again. Returns how many.
   */
  async endOthers(botId: number): Promise<number> {
    const { jobs, log } = this.#parts
    if (this.#kinds.size === 0) return 0
    const error = new OtherBot('the job belongs to another bot')
    let count = 0
    for (;;) {
      const others = await jobs.claims.ofOthers([...this.#kinds.keys()], botId, batch)
      if (others.length === 0) break
      await this.#withWord(async (hasWord) => {
        for (const job of others) {
          const kind = this.#kinds.get(job.kind)
          if (kind) await this.#end(kind, job, job.status, error, { hasWord })
        }
      })
      count += others.length
    }
    if (count > 0)
      log.warn({ jobs: count }, 'the token is that of another bot: the jobs of the one before have ended')
    return count
  }

  /** A fault of the program in a word to a user must not keep the queue from its start: then jobs end without it. */
  async #withWord(work: (hasWord: boolean) => Promise<void>): Promise<void> {
    const { transaction, log } = this.#parts
    try {
      await transaction(() => work(true))
    } catch (error) {
      if (isDatabaseDown(error)) throw error
      log.error({ error }, 'the users of jobs that end cannot be told')
      await transaction(() => work(false))
    }
  }

  /** Ends a job that no worker has, or whose worker is gone. Call it inside a transaction. */
  async #end(
    kind: JobKind,
    job: Job,
    from: Status,
    error: Error,
    { hasWord, worker, ...more }: { hasWord: boolean; worker?: string; crashed?: boolean },
  ): Promise<void> {
    const { jobs } = this.#parts
    const { errorType, message: errorMessage } = kind.classify(job, error)
    const move = { errorType, errorMessage, ...more }
    if (!(await jobs.transition(job.id, from, 'FAILED', move, worker))) return
    await jobs.events.record(job, 'JOB_FAILED', { error_type: errorType, error: errorMessage })
    if (hasWord) await kind.onFailure(job, error, undefined, false)
  }
}
