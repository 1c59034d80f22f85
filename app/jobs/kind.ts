import type { Breaker } from './breaker.ts'
import type { ClaimedJob, Job } from './job.ts'

/** What to do with a job that threw. */
export interface Verdict {
  errorType: string
  /** For the log and the row, not for the user. */
  message: string
  /** Whether the same may work later. */
  retryable: boolean
  /** What may be to blame instead of the job; a probe decides. */
  suspect?: Breaker
  /** Milliseconds that the other side asked for; obeyed exactly. */
  retryAfter?: number
  /** Certainly not the job's fault: it waits, and the attempt does not count. With a `suspect`, all that need it wait. */
  uncounted?: boolean
  /** Such a failure is counted apart from attempts, and forgiven as long as nobody else gets through. */
  isDeferral?: boolean
  /** Seconds before each new attempt, instead of the usual ones. */
  delays?: number[]
}

/** Waits for work that another program does: should this process end meanwhile, it was not this job that ended it. */
export type Elsewhere = <T>(work: () => Promise<T>) => Promise<T>

/** A sort of job: how it is done, and what is made of its failure. */
export interface JobKind {
  name: string
  /** Jobs done at the same time by this process. */
  concurrency: number
  /** What its jobs need; each that ends well shows that it works. */
  breakers: Breaker[]
  /** False while nothing of this kind can be done: its jobs wait instead of failing. */
  ready(): boolean | Promise<boolean>
  /**
   * Does the job and moves it to COMPLETED, or back to the queue as another kind; as its worker. Stops soon after
   * `signal` is aborted, by throwing.
   */
  run(job: ClaimedJob, signal: AbortSignal, elsewhere: Elsewhere): Promise<void>
  /** Judges an error; called outside a transaction. */
  classify(job: Job, error: unknown): Verdict
  /**
   * Tells whoever waits for it, inside the transaction that ends the job or puts it off.
   * @param retryIn milliseconds until the next attempt, or undefined when the job has FAILED
   * @param isOutage whether the job waits for something that does not work, like all others
   */
  failed(job: Job, error: unknown, retryIn: number | undefined, isOutage: boolean): Promise<void>
}

/** A job was running each time that the process ended without a word. */
export class JobCrashes extends Error {
  override name = 'JobCrashes'
}

/** A job belongs to a bot that is not this one. */
export class OtherBot extends Error {
  override name = 'OtherBot'
}
