import { setTimeout as delay } from 'node:timers/promises'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { PartHealth } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { Breaker } from './breaker.ts'
import { FailureHandler } from './failure-handler.ts'
import type { InHand } from './in-hand.ts'
import type { ClaimedJob, Lease } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { Elsewhere, JobKind } from './kind.ts'
import { Recovery } from './recovery.ts'

/** Milliseconds a worker may be silent before its jobs go to another one. */
const leaseTime = 60_000

/** Milliseconds for which nothing of a kind may move, while jobs wait, before /health says so. */
const stuckAfter = 5 * 60_000

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
  inHand: InHand
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
  /** Told how many jobs of another bot have ended. */
  endedOthers?: (count: number) => Promise<void>
}

/** Takes jobs from the table and does them, as many at a time as their kind allows. */
export class Queue implements AsyncDisposable {
  readonly #parts: Parts
  readonly #stop = new AbortController()
  readonly #recovery: Recovery
  readonly #failures: FailureHandler
  readonly #lanes: Promise<void>[] = []
  /** By kind, the lanes that sleep. */
  readonly #sleepers = new Map<string, Map<() => void, Promise<void>>>()
  readonly #running = new Map<number, { kind: string; lost: AbortController }>()
  /** When a job of a kind last began or ended. */
  readonly #movedAt = new Map<string, number>()
  readonly #startedAt = monotonicNow()
  #renewing: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#recovery = new Recovery(parts)
    this.#failures = new FailureHandler({ ...parts, signal: this.#stop.signal })
  }

  async start(): Promise<void> {
    const { jobs, kinds, machine, log } = this.#parts
    jobs.whenQueued(() => this.#wake())
    for (const breaker of new Set([machine, ...kinds.flatMap(({ breakers }) => breakers)])) {
      breaker.whenClosed(() => this.#wake())
    }
    await this.recover()
    this.#renewing = setInterval(() => {
      this.#renew()
        .then(() => this.recover())
        .catch((error) => log.warn({ error }, 'leases not renewed'))
    }, leaseTime / 3)
    for (const kind of kinds) {
      for (let lane = 0; lane < kind.concurrency; lane++) this.#lanes.push(this.#run(kind))
    }
  }

  /** Takes care of the jobs whose worker is gone, or whose bot. Returns how many had lost their worker. */
  async recover(): Promise<number> {
    const count = await this.#recovery.putBack()
    const ended = await this.#recovery.endOthers()
    if (ended > 0) await this.#parts.endedOthers?.(ended)
    return count
  }

  /** What /health says of the queue: whether jobs that might run do. */
  async health(): Promise<PartHealth> {
    const { jobs, botId } = this.#parts
    const overdue = await jobs.load.overdue(botId)
    const count = overdue.reduce((sum, { count }) => sum + count, 0)
    if (count === 0) return { ok: true, detail: 'nothing waits' }
    const now = monotonicNow()
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

  /** Resolves when every lane that sleeps has woken up; one that works, or waits for the database, is not asked. */
  async comesRound(): Promise<void> {
    await Promise.all([...this.#sleepers.values()].flatMap((sleepers) => [...sleepers.values()]))
  }

  /** Hands running jobs back to the queue and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewing)
    this.#stop.abort()
    for (const sleepers of this.#sleepers.values()) for (const awake of [...sleepers.keys()]) awake()
    await Promise.all(this.#lanes)
  }

  #lease(): Lease {
    return { worker: this.#parts.inHand.worker, until: monotonicNow() + leaseTime }
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
        if (job) {
          this.#wake(kind.name)
          await this.#work(kind, job)
        } else await this.#sleep(kind.name)
      } catch (error) {
        log.error({ kind: kind.name, error }, 'the queue stumbled')
        if (!this.#stop.signal.aborted) await machine.works(error)
        await this.#sleep(kind.name)
      }
    }
  }

  async #work(kind: JobKind, job: ClaimedJob): Promise<void> {
    const { jobs, machine, inHand } = this.#parts
    const lost = new AbortController()
    this.#running.set(job.id, { kind: kind.name, lost })
    const began = monotonicNow()
    this.#movedAt.set(kind.name, began)
    try {
      await inHand.take(job.id)
      await kind.run(job, AbortSignal.any([this.#stop.signal, lost.signal]), this.#elsewhere(job.id))
      for (const breaker of [machine, ...kind.breakers]) breaker.passed(job.id)
    } catch (error) {
      if (lost.signal.aborted) return
      if (this.#stop.signal.aborted) {
        await this.#handBack(job)
      } else {
        const isRecorded = await this.#failures.handle(kind, job, error, monotonicNow() - began)
        if (!isRecorded) await this.#handBack(job)
      }
    } finally {
      this.#running.delete(job.id)
      inHand.release(job.id)
      this.#movedAt.set(kind.name, monotonicNow())
      // One that was lost has not been moved by us.
      jobs.load.stopped(job.id)
    }
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

  #elsewhere(id: number): Elsewhere {
    const { inHand } = this.#parts
    return async (work) => {
      inHand.release(id)
      return await work().finally(() => inHand.take(id))
    }
  }

  /** One lane of each kind, or of one, looks what there is; who finds a job sends the next one to look. */
  #wake(kind?: string): void {
    const kinds = kind === undefined ? [...this.#sleepers.keys()] : [kind]
    for (const name of kinds) {
      const [awake] = this.#sleepers.get(name)?.keys() ?? []
      awake?.()
    }
  }

  #sleep(kind: string): Promise<void> {
    const sleepers = this.#sleepers.get(kind) ?? new Map()
    this.#sleepers.set(kind, sleepers)
    const { promise, resolve } = Promise.withResolvers<void>()
    const awake = () => {
      clearTimeout(timer)
      sleepers.delete(awake)
      resolve()
    }
    // Jobs that wait for their time, or that another process queued, are found after a second.
    const timer = setTimeout(awake, 1000)
    sleepers.set(awake, promise)
    return promise
  }
}
