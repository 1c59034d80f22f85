import { hostname } from 'node:os'
import type { Log } from '../core/log.ts'
import type { Job, Jobs } from './jobs.ts'

/** Milliseconds a worker may be silent before its job goes to another one. */
const lease = 60_000

/** What to do with a job that threw. */
export interface Verdict {
  errorType: string
  /** For the log and the row, not for the user. */
  message: string
  /** Milliseconds to wait before the next attempt; undefined ends the job as FAILED. */
  retryIn?: number
}

/** A sort of job: how it is done, and what is made of its failure. */
export interface JobKind {
  name: string
  /** Jobs done at the same time by this process. */
  concurrency: number
  /** False while nothing of this kind can be done: its jobs wait instead of failing. */
  ready(): boolean
  /** Does the job and moves it to COMPLETED. Stops soon after `signal` is aborted, by throwing. */
  run(job: Job, signal: AbortSignal): Promise<void>
  /** Judges an error; called outside a transaction. */
  judge(job: Job, error: unknown): Verdict
  /** Tells whoever waits for it; called inside the transaction that ends the job or puts it off. */
  failed(job: Job, verdict: Verdict, error: unknown): Promise<void>
}

interface Parts {
  jobs: Jobs
  kinds: JobKind[]
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
}

/** Takes jobs from the table and does them, as many at a time as their kind allows. */
export class Queue implements AsyncDisposable {
  readonly #parts: Parts
  readonly #worker = `${hostname()}:${process.pid}`
  readonly #stop = new AbortController()
  readonly #lanes: Promise<void>[] = []
  readonly #sleepers = new Set<() => void>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#parts.jobs.whenQueued(() => this.#wake())
    for (const kind of this.#parts.kinds) {
      const recovered = await this.#parts.jobs.recover(kind.name)
      if (recovered > 0) this.#parts.log.info({ kind: kind.name, recovered }, 'unfinished jobs go on')
      for (let lane = 0; lane < kind.concurrency; lane++) this.#lanes.push(this.#run(kind))
    }
  }

  /** Hands running jobs back to the queue and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await Promise.all(this.#lanes)
  }

  async #run(kind: JobKind): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const job = kind.ready()
          ? await this.#parts.jobs.claim(kind.name, this.#worker, Date.now() + lease)
          : undefined
        if (job) await this.#work(kind, job)
        else await this.#sleep()
      } catch (error) {
        this.#parts.log.error({ kind: kind.name, error }, 'the queue stumbled')
        await this.#sleep()
      }
    }
  }

  async #work(kind: JobKind, job: Job): Promise<void> {
    const { jobs, transaction } = this.#parts
    try {
      await kind.run(job, this.#stop.signal)
    } catch (error) {
      if (this.#stop.signal.aborted) {
        await jobs.transition(job.id, 'RUNNING', 'QUEUED', { reason: 'stopping', uncounted: true })
        return
      }
      const verdict = kind.judge(job, error)
      const { errorType, message: errorMessage, retryIn } = verdict
      await transaction(async () => {
        const to = retryIn === undefined ? 'FAILED' : 'QUEUED'
        const move = {
          errorType,
          errorMessage,
          ...(retryIn !== undefined && { dueAt: Date.now() + retryIn }),
        }
        if (!(await jobs.transition(job.id, 'RUNNING', to, move))) return
        const facts = { error_type: errorType, error: errorMessage, attempts: job.attempts }
        if (retryIn === undefined) await jobs.record(job.id, 'JOB_FAILED', facts)
        else await jobs.record(job.id, 'RETRY_SCHEDULED', { ...facts, retry_in_ms: retryIn })
        await kind.failed(job, verdict, error)
      })
    }
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
