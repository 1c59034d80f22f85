import { hostname } from 'node:os'
import type { Log } from '../core/log.ts'
import { steadyNow } from '../core/steady.ts'
import type { ClaimedJob, Job, Lease } from './job.ts'
import type { Jobs } from './jobs.ts'

/** Milliseconds a worker may be silent before its jobs go to another one. */
const leaseTime = 60_000

/** What to do with a job that threw. */
export interface Verdict {
  errorType: string
  /** For the log and the row, not for the user. */
  message: string
  /** Whether the same may work later. */
  passing: boolean
  /** Milliseconds that the other side asked for; obeyed exactly. */
  retryAfter?: number
  /** Not the job's fault: it waits, and the attempt does not count. */
  uncounted?: boolean
}

/** A sort of job: how it is done, and what is made of its failure. */
export interface JobKind {
  name: string
  /** Jobs done at the same time by this process. */
  concurrency: number
  /** False while nothing of this kind can be done: its jobs wait instead of failing. */
  ready(): boolean | Promise<boolean>
  /**
   * Does the job and moves it to COMPLETED, or back to the queue as another kind; as its worker. Stops soon after
   * `signal` is aborted, by throwing.
   */
  run(job: ClaimedJob, signal: AbortSignal): Promise<void>
  /** Judges an error; called outside a transaction. */
  judge(job: Job, error: unknown): Verdict
  /**
   * Tells whoever waits for it, inside the transaction that ends the job or puts it off.
   * @param retryIn milliseconds until the next attempt, or undefined when the job has FAILED
   */
  failed(job: Job, error: unknown, retryIn: number | undefined): Promise<void>
}

interface Parts {
  jobs: Jobs
  kinds: JobKind[]
  /** Seconds before the second attempt, the third, and so on; after the last one a job fails. */
  delays: number[]
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
}

/** Takes jobs from the table and does them, as many at a time as their kind allows. */
export class Queue implements AsyncDisposable {
  readonly #parts: Parts
  // A process id is used again after a while, so the moment of the start is part of the name.
  readonly #worker = `${hostname()}:${process.pid}:${Math.round(performance.timeOrigin)}`
  readonly #stop = new AbortController()
  readonly #lanes: Promise<void>[] = []
  readonly #sleepers = new Set<() => void>()
  readonly #running = new Map<number, AbortController>()
  #renewing: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { jobs, log } = this.#parts
    jobs.whenQueued(() => this.#wake())
    await this.recover()
    this.#renewing = setInterval(() => {
      this.#renew()
        .then(() => this.recover())
        .catch((error) => log.warn({ error }, 'leases not renewed'))
    }, leaseTime / 3)
    for (const kind of this.#parts.kinds) {
      for (let lane = 0; lane < kind.concurrency; lane++) this.#lanes.push(this.#run(kind))
    }
  }

  /** Puts jobs back whose worker is gone. Returns how many. */
  async recover(): Promise<number> {
    const { jobs, transaction } = this.#parts
    const stale = await jobs.stale((worker) => isGone(worker, this.#worker))
    for (const job of stale) {
      await transaction(async () => {
        // No fault of the job: an attempt that its worker did not survive is not counted.
        const move = { reason: 'worker gone', uncounted: true }
        if (await jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)) {
          await jobs.events.record(job, 'JOB_RECOVERED_STALE')
        }
      })
    }
    return stale.length
  }

  /** Hands running jobs back to the queue and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewing)
    this.#stop.abort()
    this.#wake()
    await Promise.all(this.#lanes)
  }

  #lease(): Lease {
    return { worker: this.#worker, until: steadyNow() + leaseTime }
  }

  /** A job that someone else has taken over in the meantime, as after a long sleep of the machine, is let go. */
  async #renew(): Promise<void> {
    const before = [...this.#running]
    const ours = await this.#parts.jobs.renew(
      this.#lease(),
      before.map(([id]) => id),
    )
    for (const [id, controller] of before) if (!ours.includes(id)) controller.abort()
  }

  async #run(kind: JobKind): Promise<void> {
    const { jobs, log } = this.#parts
    while (!this.#stop.signal.aborted) {
      try {
        const job = (await kind.ready()) ? await jobs.claim(kind.name, this.#lease()) : undefined
        if (job) await this.#work(kind, job)
        else await this.#sleep()
      } catch (error) {
        log.error({ kind: kind.name, error }, 'the queue stumbled')
        await this.#sleep()
      }
    }
  }

  async #work(kind: JobKind, job: ClaimedJob): Promise<void> {
    const { jobs } = this.#parts
    const lost = new AbortController()
    this.#running.set(job.id, lost)
    try {
      await kind.run(job, AbortSignal.any([this.#stop.signal, lost.signal]))
    } catch (error) {
      if (lost.signal.aborted) return
      if (this.#stop.signal.aborted) {
        const move = { reason: 'stopping', uncounted: true }
        await jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)
      } else {
        await this.#failed(kind, job, error)
      }
    } finally {
      this.#running.delete(job.id)
      // One that was lost has not been moved by us.
      jobs.load.stopped(job.id)
    }
  }

  async #failed(kind: JobKind, job: ClaimedJob, error: unknown): Promise<void> {
    const { jobs, transaction, delays } = this.#parts
    const {
      errorType,
      message: errorMessage,
      passing,
      retryAfter,
      uncounted = false,
    } = kind.judge(job, error)
    const delay = delays[uncounted ? Math.min(job.attempts, delays.length) - 1 : job.attempts - 1]
    const retryIn = passing && delay !== undefined ? (retryAfter ?? jittered(delay * 1000)) : undefined
    const facts = { error_type: errorType, error: errorMessage, attempts: job.attempts }
    await transaction(async () => {
      const to = retryIn === undefined ? 'FAILED' : 'QUEUED'
      const move = { errorType, errorMessage, uncounted, ...(retryIn && { dueAt: steadyNow() + retryIn }) }
      if (!(await jobs.transition(job.id, 'RUNNING', to, move, job.worker))) return
      await jobs.events.record(job, 'DOWNLOAD_FAILED', facts)
      if (retryIn !== undefined) {
        await jobs.events.record(job, 'RETRY_SCHEDULED', { ...facts, retry_in_ms: retryIn })
      } else {
        await jobs.events.record(job, passing ? 'MAX_RETRIES_REACHED' : 'RETRY_SKIPPED', facts)
        await jobs.events.record(job, 'JOB_FAILED', facts)
      }
      await kind.failed(job, error, retryIn)
    })
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

/** Whether a worker of this machine has ended for certain; of another machine only its lease tells. */
function isGone(worker: string, self: string): boolean {
  const [host, pid, started] = worker.split(':')
  const [ourHost, ourPid, ourStart] = self.split(':')
  if (host !== ourHost) return false
  if (pid === ourPid) return started !== ourStart
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
