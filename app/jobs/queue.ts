import { setTimeout as delay } from 'node:timers/promises'
import { isDatabaseDown } from '../core/database-errors.ts'
import type { PartHealth } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { steadyNow } from '../core/steady.ts'
import type { Blame, Breaker } from './breaker.ts'
import type { ClaimedJob, Job, Lease } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { JobKind, Verdict } from './kind.ts'
import { Recovery } from './recovery.ts'
import { thisWorker } from './worker.ts'

/** Milliseconds a worker may be silent before its jobs go to another one. */
const leaseTime = 60_000

/** Seconds between two attempts of a job that others' failures speak for, once its delays are used up. */
const patientDelay = 3600

/** Attempts that even such a job has; so many hours are days. */
const maxTries = 100

/** Milliseconds for which nothing of a kind may move, while jobs wait, before /health says so. */
const stuckAfter = 5 * 60_000

/** Tries to record a failure with the word to the user; without, when a fault of the program is in the way. */
const maxWords = 3

/** Tries to hand a job back while another program holds the database; each waits for some seconds. */
const maxHandBacks = 4

interface Parts {
  jobs: Jobs
  kinds: JobKind[]
  /** The bot whose jobs are done. */
  botId: number
  /** Around the machine's own disk and database, which every job needs. */
  machine: Breaker
  /** Seconds before the second attempt, the third, and so on; after the last one a job fails. */
  delays: number[]
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
  /** Told how many jobs of another bot have ended. */
  endedOthers?: (count: number) => Promise<void>
}

/** Takes jobs from the table and does them, as many at a time as their kind allows. */
export class Queue implements AsyncDisposable {
  readonly #parts: Parts
  readonly #recovery: Recovery
  readonly #stop = new AbortController()
  readonly #lanes: Promise<void>[] = []
  readonly #sleepers = new Set<() => void>()
  readonly #running = new Map<number, { kind: string; lost: AbortController }>()
  /** When a job of a kind last began or ended. */
  readonly #movedAt = new Map<string, number>()
  readonly #startedAt = steadyNow()
  #renewing: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#recovery = new Recovery(parts)
  }

  async start(): Promise<void> {
    const { jobs, kinds, machine, log } = this.#parts
    jobs.whenQueued(() => this.#wake())
    for (const breaker of new Set([machine, ...kinds.flatMap(({ breakers }) => breakers)])) {
      breaker.whenClosed(() => this.#wake())
    }
    await this.recover()
    const ended = await this.#recovery.endOthers()
    if (ended > 0) await this.#parts.endedOthers?.(ended)
    this.#renewing = setInterval(() => {
      this.#renew()
        .then(() => this.recover())
        .catch((error) => log.warn({ error }, 'leases not renewed'))
    }, leaseTime / 3)
    for (const kind of kinds) {
      for (let lane = 0; lane < kind.concurrency; lane++) this.#lanes.push(this.#run(kind))
    }
  }

  /** Finds the jobs whose worker is gone. Returns how many. */
  async recover(): Promise<number> {
    return await this.#recovery.putBack()
  }

  /** What /health says of the queue: whether jobs that might run do. */
  async health(): Promise<PartHealth> {
    const { jobs, botId } = this.#parts
    const overdue = await jobs.load.overdue(botId)
    const count = overdue.reduce((sum, { count }) => sum + count, 0)
    if (count === 0) return { ok: true, detail: 'nothing waits' }
    const now = steadyNow()
    const age = now - Math.min(...overdue.map(({ since }) => since))
    // A long row of large files is no fault, as long as it moves.
    const isStuck = overdue.some(
      ({ kind, since }) => now - Math.max(since, this.#lastMove(kind)) > stuckAfter,
    )
    const minutes = Math.floor(age / 60_000)
    const detail = `${count} waiting, the oldest for ${minutes < 1 ? 'less than a minute' : `${minutes} min`}`
    return { ok: !isStuck, detail: isStuck ? `${detail}; nothing moves` : detail }
  }

  #lastMove(kind: string): number {
    const growth = [...this.#running]
      .filter(([, running]) => running.kind === kind)
      .map(([id]) => this.#parts.jobs.load.grewAt(id) ?? 0)
    return Math.max(this.#startedAt, this.#movedAt.get(kind) ?? 0, ...growth)
  }

  /** Hands running jobs back to the queue and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewing)
    this.#stop.abort()
    this.#wake()
    await Promise.all(this.#lanes)
  }

  #lease(): Lease {
    return { worker: thisWorker, until: steadyNow() + leaseTime }
  }

  /** A job that someone else has taken over in the meantime, as after a long sleep of the machine, is let go. */
  async #renew(): Promise<void> {
    const before = [...this.#running]
    const ours = await this.#parts.jobs.renew(
      this.#lease(),
      before.map(([id]) => id),
    )
    for (const [id, { lost }] of before) if (!ours.includes(id)) lost.abort()
  }

  async #run(kind: JobKind): Promise<void> {
    const { jobs, log, machine, botId } = this.#parts
    while (!this.#stop.signal.aborted) {
      try {
        const isOpen = machine.isClosed && kind.breakers.every((breaker) => breaker.isClosed)
        const job =
          isOpen && (await kind.ready()) ? await jobs.claim(kind.name, botId, this.#lease()) : undefined
        if (job) await this.#work(kind, job)
        else await this.#sleep()
      } catch (error) {
        log.error({ kind: kind.name, error }, 'the queue stumbled')
        if (!this.#stop.signal.aborted) await machine.works(error)
        await this.#sleep()
      }
    }
  }

  async #work(kind: JobKind, job: ClaimedJob): Promise<void> {
    const { jobs, machine } = this.#parts
    const lost = new AbortController()
    this.#running.set(job.id, { kind: kind.name, lost })
    const began = steadyNow()
    this.#movedAt.set(kind.name, began)
    try {
      await kind.run(job, AbortSignal.any([this.#stop.signal, lost.signal]))
      for (const breaker of [machine, ...kind.breakers]) breaker.passed(job.id)
    } catch (error) {
      if (lost.signal.aborted) return
      if (this.#stop.signal.aborted) {
        await this.#handBack(job)
      } else {
        await this.#failed(kind, job, error, steadyNow() - began)
      }
    } finally {
      this.#running.delete(job.id)
      this.#movedAt.set(kind.name, steadyNow())
      // One that was lost has not been moved by us.
      jobs.load.stopped(job.id)
    }
  }

  async #failed(kind: JobKind, job: ClaimedJob, error: unknown, lasted: number): Promise<void> {
    const { jobs, transaction, log } = this.#parts
    const verdict = kind.judge(job, error)
    const { suspect, passing, errorType, message: errorMessage } = verdict
    const { uncounted = false, isDeferral = false } = verdict
    if (uncounted && verdict.retryAfter !== undefined) suspect?.hold(verdict.retryAfter)
    const blame = uncounted ? undefined : await suspect?.blame(job.id, error, lasted)
    const retryIn = this.#retryIn(verdict, job, blame)
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
      uncounted: uncounted || isOutage || isDeferral,
      deferred: isDeferral && !isOutage,
      ...(retryIn !== undefined && { dueAt: steadyNow() + retryIn }),
    }
    const record = async (hasWord: boolean) => {
      const to = retryIn === undefined ? 'FAILED' : 'QUEUED'
      if (!(await jobs.transition(job.id, 'RUNNING', to, move, job.worker))) return
      await jobs.events.record(job, 'DOWNLOAD_FAILED', facts)
      if (retryIn !== undefined) {
        await jobs.events.record(job, 'RETRY_SCHEDULED', { ...facts, retry_in_ms: retryIn })
      } else {
        await jobs.events.record(job, passing ? 'MAX_RETRIES_REACHED' : 'RETRY_SKIPPED', facts)
        await jobs.events.record(job, 'JOB_FAILED', facts)
      }
      if (hasWord) await kind.failed(job, error, retryIn, isOutage)
    }
    let faults = 0
    for (let tries = 0; !this.#stop.signal.aborted; tries++) {
      try {
        await transaction(() => record(faults < maxWords))
        if (retryIn === undefined) suspect?.forget(job.id)
        return
      } catch (error) {
        // Until it is written, the job is this worker's: no other can have it, and its lane begins nothing else.
        log.error({ job_id: job.id, error }, 'the failure of a job cannot be recorded')
        if (isDatabaseDown(error)) this.#parts.machine.open(error)
        else faults++
        const pause = Math.min(100 * 2 ** tries, 10_000)
        await delay(pause, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
    }
    await this.#handBack(job)
  }

  /** A stop gives back what runs: found with a worker that is gone, it would count as a crash. */
  async #handBack(job: ClaimedJob): Promise<void> {
    const move = { reason: 'stopping', uncounted: true }
    for (let tries = 1; ; tries++) {
      try {
        await this.#parts.jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)
        return
      } catch (error) {
        if (!isDatabaseDown(error) || tries === maxHandBacks) throw error
        await delay(500)
      }
    }
  }

  /** Milliseconds until the next attempt, or undefined when the job has failed. */
  #retryIn(verdict: Verdict, job: Job, blame: Blame | undefined): number | undefined {
    const { passing, retryAfter, uncounted, isDeferral, delays = this.#parts.delays } = verdict
    if (blame === 'outage') return 0
    if (!passing) return undefined
    const tries = isDeferral ? job.deferrals + 1 : job.attempts
    const wait = delays[tries - 1]
    if (uncounted) return retryAfter ?? jittered((delays[Math.min(tries, delays.length) - 1] ?? 0) * 1000)
    // Alone, a file that Telegram does not give is to blame; a fault that nobody knows may still be the machine's.
    const isGuilty = blame === undefined || blame === 'job' || (blame === 'alone' && !isDeferral)
    if (wait === undefined && (isGuilty || tries >= maxTries)) return undefined
    return retryAfter ?? jittered((wait ?? patientDelay) * 1000)
  }

  #wake(): void {
    for (const awake of [...this.#sleepers]) awake()
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer)
        this.#sleepers.delete(awake)
        resolve()
      }
      // Jobs that wait for their time, or that another process queued, are found after a second.
      const timer = setTimeout(awake, 1000)
      this.#sleepers.add(awake)
    })
  }
}

/** Up to a fifth more or less, so that what failed together does not come back together. */
function jittered(milliseconds: number): number {
  return Math.round(milliseconds * (0.8 + Math.random() * 0.4))
}
