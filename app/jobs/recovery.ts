import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { InHand } from './in-hand.ts'
import type { ClaimedJob, Job } from './job.ts'
import type { Jobs } from './jobs.ts'
import { JobCrashes, type JobKind, OtherBot } from './kind.ts'
import type { Status } from './states.ts'
import { hasCrashed, isGone } from './worker.ts'

/** A job that was running when its process ended, this often, has ended it: it is not begun again. */
const maxCrashes = 3

/** Jobs ended in one transaction; others of this process wait meanwhile. */
const batch = 100

interface Parts {
  jobs: Jobs
  kinds: JobKind[]
  botId: number
  delays: number[]
  inHand: InHand
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
}

/** Finds an end, or a new beginning, for jobs that nobody works on any more. */
export class Recovery {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Puts jobs back whose worker is gone, and ends those that take it along each time. Returns how many. */
  async putBack(): Promise<number> {
    const { jobs, inHand } = this.#parts
    const running = await jobs.running()
    const gone = running.filter(
      ({ worker, leaseUntil }) => leaseUntil < monotonicNow() || isGone(worker, inHand.worker),
    )
    for (const job of gone) {
      await this.#recover(job, hasCrashed(job.worker, inHand.worker) && inHand.had(job.worker, job.id))
    }
    return gone.length
  }

  async #recover(job: ClaimedJob, hasCrashed: boolean): Promise<void> {
    const { jobs, transaction, delays, kinds } = this.#parts
    const crashes = job.crashes + Number(hasCrashed)
    const kind = kinds.find(({ name }) => name === job.kind)
    if (kind && crashes >= maxCrashes) {
      const error = new JobCrashes(`the process ended ${crashes} times while it ran`)
      const ends = (hasWord: boolean) =>
        this.#end(kind, job, 'RUNNING', error, { crashed: hasCrashed, hasWord })
      return await this.#withWord(ends)
    }
    // The first time all that ran begin again at once; the second time others go first.
    const wait = crashes < 2 ? 0 : (delays[Math.min(crashes - 2, delays.length - 1)] ?? 0) * 1000
    await transaction(async () => {
      // No fault of the job, as far as is known: an attempt that its worker did not survive is not counted.
      const move = {
        reason: 'worker gone',
        uncounted: true,
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
  async endOthers(): Promise<number> {
    const { jobs, botId, kinds, log } = this.#parts
    const error = new OtherBot('the job belongs to another bot')
    let count = 0
    for (;;) {
      const others = await jobs.ofOthers(botId, batch)
      if (others.length === 0) break
      await this.#withWord(async (hasWord) => {
        for (const job of others) {
          const kind = kinds.find(({ name }) => name === job.kind)
          if (kind) await this.#end(kind, job, job.status, error, { hasWord })
          else await jobs.transition(job.id, job.status, 'FAILED', { errorType: error.name })
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
    { hasWord, ...more }: { hasWord: boolean; crashed?: boolean },
  ): Promise<void> {
    const { jobs } = this.#parts
    const { errorType, message: errorMessage } = kind.classify(job, error)
    if (!(await jobs.transition(job.id, from, 'FAILED', { errorType, errorMessage, ...more }))) return
    await jobs.events.record(job, 'JOB_FAILED', { error_type: errorType, error: errorMessage })
    if (hasWord) await kind.failed(job, error, undefined, false)
  }
}
