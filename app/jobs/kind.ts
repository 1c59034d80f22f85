import type { z } from 'zod'
import type { Breaker } from './breaker.ts'
import type { OwnEvent } from './events.ts'
import type { ClaimedJob, Job } from './job.ts'
import type { RateLimit } from './rate-slots.ts'

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
  /**
   * By default true. False of what is certainly not the job's fault: it waits, and loses no attempt. With a `suspect`,
   * all that need it wait.
   */
  countsAsAttempt?: boolean
  /** Such a failure is counted apart from attempts, and forgiven as long as nobody else gets through. */
  isDeferral?: boolean
  /** Seconds before each new attempt, instead of the kind's own. */
  delays?: number[]
}

/** What the jobs of a kind have until they have ended. */
export interface Holdings {
  /** The UUID of a file in the store, or of one that is to come there: nobody may remove what lies under it. */
  file?: string
  /** Bytes of disk that it is promised. */
  bytes?: number
  /** Bytes that it will count for its user; by default `bytes`. */
  userBytes?: number
}

/** What is to be known of a kind to make a job of it, in any role. */
export interface JobType<S extends z.ZodType = z.ZodType> {
  /** In the rows for as long as there are any; of one feature. */
  name: string
  /** Read when a job is made, and again when it is begun: a row may be of another release, or damaged. */
  payload: S
  holds(payload: z.output<S>): Holdings
}

/** Jobs that are done side by side; the users of all its kinds together take turns. Kinds that share it name one object. */
export interface Lane {
  /** For the log. */
  name: string
  /** Jobs done at the same time by one process. */
  concurrency: number
  /** Whether its jobs are each of a bot, and done for that bot only. */
  isOfBot: boolean
  /** What its jobs need; each that ends well shows that it works. */
  breakers: Breaker[]
  /** False while nothing of it can be done: its jobs wait instead of failing. */
  ready(): boolean | Promise<boolean>
  /** Milliseconds for which nothing may move, while jobs wait, before /health says so. */
  stuckAfter: number
}

/** How much may be asked for of some kinds together. However many jobs of other kinds there are, they count for nothing here. */
export interface JobLimits {
  /** The names of the kinds whose jobs count together. */
  kinds: string[]
  /** Jobs that have not ended, of all users. */
  maxQueued: number
  /** Jobs that have not ended, of one user. */
  maxActive: number
  /** How many of a user, and from a chat, may begin within some time; more of them wait: see `RateSlots.next`. */
  rates(of: { userId: number; chatId: number }): RateLimit[]
}

/** Waits for work that another program does: should this process end meanwhile, it was not this job that ended it. */
export type Elsewhere = <T>(work: () => Promise<T>) => Promise<T>

/** A sort of job: how it is done, and what is made of its failure. */
export interface JobKind<S extends z.ZodType = z.ZodType> extends JobType<S> {
  lane: Lane
  /** Seconds before the second attempt, the third, and so on; after the last one a job fails. */
  retries: number[]
  /** How often the process may end while a job runs: after that it is taken to have ended it, and not begun again. */
  maxCrashes: number
  /** Written when an attempt fails. */
  attemptFailed: OwnEvent
  /**
   * Does the job and moves it to COMPLETED, or back to the queue as another kind; as its worker. Stops soon after
   * `signal` is aborted, by throwing.
   */
  run(job: ClaimedJob<z.output<S>>, signal: AbortSignal, elsewhere: Elsewhere): Promise<void>
  /** Judges an error, {@link UnreadablePayload} among them; called outside a transaction. */
  classify(job: Job, error: unknown): Verdict
  /**
   * Tells whoever waits for it, inside the transaction that ends the job or puts it off.
   * @param retryIn milliseconds until the next attempt, or undefined when the job has FAILED
   * @param isOutage whether the job waits for something that does not work, like all others
   */
  onFailure(job: Job, error: unknown, retryIn: number | undefined, isOutage: boolean): Promise<void>
}

/** What a job's row holds of its payload is not what its kind declares: nobody knows what was to be done. */
export class UnreadablePayload extends Error {
  override name = 'UnreadablePayload'

  constructor(error: z.ZodError) {
    const fields = error.issues.map(({ path }) => path.join('.') || 'all of it').join(', ')
    super(`what the job keeps of its task cannot be read: ${fields}`)
  }
}

/** A job was running each time that the process ended without a word. */
export class JobCrashes extends Error {
  override name = 'JobCrashes'
}

/** A job belongs to a bot that is not this one. */
export class OtherBot extends Error {
  override name = 'OtherBot'
}

/** @throws UnreadablePayload */
export function payloadOf<S extends z.ZodType>(
  { payload }: { payload: S },
  job: { payload: unknown },
): z.output<S> {
  const { data, error } = payload.safeParse(job.payload)
  if (error) throw new UnreadablePayload(error)
  return data
}
