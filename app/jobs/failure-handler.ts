import { setTimeout as delay } from 'node:timers/promises'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { Blame, Breaker } from './breaker.ts'
import type { ClaimedJob, Job } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { JobKind, Verdict } from './kind.ts'

/** Seconds between two attempts of a job that others' failures speak for, once its delays are used up. */
const patientDelay = 3600

/** Attempts that even such a job has; so many hours are days. */
const maxTries = 100

/** Tries to record a failure with the word to the user; without, when a fault of the program is in the way. */
const maxWords = 3

interface Parts {
  jobs: Jobs
  machine: Breaker
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
  /** Aborted when the queue stops. */
  signal: AbortSignal
}

/** Decides what becomes of a job that threw: whose fault it was, and whether and when it is tried again. */
export class FailureHandler {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Returns true when what is to become of the job is recorded, false when the stop came first.
   * @param lasted milliseconds from the beginning of the job to its error
   */
  async handle(kind: JobKind, job: ClaimedJob, error: unknown, lasted: number): Promise<boolean> {
    const { jobs, transaction, machine, log, signal } = this.#parts
    const verdict = kind.classify(job, error)
    const { suspect, retryable, errorType, message: errorMessage } = verdict
    const { countsAsAttempt = true, isDeferral = false } = verdict
    if (!countsAsAttempt && verdict.retryAfter !== undefined) suspect?.hold(verdict.retryAfter)
    const blame = countsAsAttempt ? await suspect?.blame(job.id, error, lasted) : undefined
    const retryIn = retryInOf({ delays: kind.retries, ...verdict }, job, blame)
    const isOutage = blame === 'outage'
    const facts = {
      error_type: errorType,
      error: errorMessage,
      attempts: job.attempts,
      ...(blame && { blame }),
    }
    const move = {
      errorType,
      errorMessage,
      countsAsAttempt: countsAsAttempt && !isOutage && !isDeferral,
      deferred: isDeferral && !isOutage,
      ...(retryIn !== undefined && { dueAt: monotonicNow() + retryIn }),
    }
    const record = async (hasWord: boolean) => {
      const to = retryIn === undefined ? 'FAILED' : 'QUEUED'
      if (!(await jobs.transition(job.id, 'RUNNING', to, move, job.worker))) return
      await jobs.events.record(job, kind.attemptFailed, facts)
      if (retryIn !== undefined) {
        await jobs.events.record(job, 'RETRY_SCHEDULED', { ...facts, retry_in_ms: retryIn })
      } else {
        await jobs.events.record(job, retryable ? 'MAX_RETRIES_REACHED' : 'RETRY_SKIPPED', facts)
        await jobs.events.record(job, 'JOB_FAILED', facts)
      }
      if (hasWord) await kind.onFailure(job, error, retryIn, isOutage)
    }
    let faults = 0
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        await transaction(() => record(faults < maxWords))
        if (retryIn === undefined) suspect?.forget(job.id)
        return true
      } catch (error) {
        // Until it is written, the job is this worker's: no other can have it, and its lane begins nothing else.
        log.error({ job_id: job.id, error }, 'the failure of a job cannot be recorded')
        if (isDatabaseDown(error)) machine.open(error)
        else faults++
        const pause = Math.min(100 * 2 ** tries, 10_000)
        await delay(pause, undefined, { signal }).catch(() => {})
      }
    }
    return false
  }
}

/** Milliseconds until the next attempt, or undefined when the job has failed. */
function retryInOf(
  verdict: Verdict & { delays: number[] },
  job: Job,
  blame: Blame | undefined,
): number | undefined {
  const { retryable, retryAfter, countsAsAttempt = true, isDeferral, delays } = verdict
  if (blame === 'outage') return 0
  if (!retryable) return undefined
  const tries = isDeferral ? job.deferrals + 1 : job.attempts
  const wait = delays[tries - 1]
  if (!countsAsAttempt) {
    return retryAfter ?? jittered((delays[Math.min(tries, delays.length) - 1] ?? 0) * 1000)
  }
  // Alone, a file that Telegram does not give is to blame; a fault that nobody knows may still be the machine's.
  const isGuilty = blame === undefined || blame === 'job' || (blame === 'alone' && !isDeferral)
  if (wait === undefined && (isGuilty || tries >= maxTries)) return undefined
  return retryAfter ?? jittered((wait ?? patientDelay) * 1000)
}

/** Up to a fifth more or less, so that what failed together does not come back together. */
function jittered(milliseconds: number): number {
  return Math.round(milliseconds * (0.8 + Math.random() * 0.4))
}
