import { setTimeout as delay } from 'node:timers/promises'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { PartHealth } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { Breaker } from './breaker.ts'
import { FailureHandler } from './failure-handler.ts'
import type { InHand } from './in-hand.ts'
import { type ClaimedJob, type Lease, noBot } from './job.ts'
import type { Jobs } from './jobs.ts'
import { type Elsewhere, type JobKind, type Lane, payloadOf } from './kind.ts'
import { Recovery } from './recovery.ts'

/** Milliseconds a worker may be silent before its jobs go to another one: it says that the process lives, whatever it does. */
const leaseTime = 60_000

/** Tries to hand a job back while another program holds the database; each waits for some seconds. */
const maxHandBacks = 4

interface Parts {
  jobs: Jobs
  /** Those that this process does. */
  kinds: JobKind[]
  /** Whose jobs are done in the lanes that are each bot's; without one there must be no such lane. */
  bot?: {
    id: number
    /** Told how many jobs of another bot have ended. */
    endedOthers?(count: number): Promise<void>
  }
  /** Around the machine's own disk and database, which every job needs. */
  machine: Breaker
  inHand: InHand
  transaction: <T>(work: () => Promise<T>) => Promise<T>
  log: Log
}

/** Takes jobs from the table and does them, as many at a time as their lanes allow. */
export class Queue implements AsyncDisposable {
  readonly #parts: Parts
  readonly #stop = new AbortController()
  readonly #recovery: Recovery
  readonly #failures: FailureHandler
  readonly #lanes: Map<Lane, JobKind[]>
  readonly #kinds: Map<string, JobKind>
  /** What does the jobs: of each lane as many as its `concurrency`. */
  readonly #runners: Promise<void>[] = []
  /** By lane, the runners that sleep. */
  readonly #sleepers = new Map<Lane, Map<() => void, Promise<void>>>()
  readonly #running = new Map<number, { lane: Lane; lost: AbortController }>()
  /** When a job of a lane last began or ended. */
  readonly #movedAt = new Map<Lane, number>()
  readonly #startedAt = monotonicNow()
  #renewing: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#lanes = Map.groupBy(parts.kinds, ({ lane }) => lane)
    this.#kinds = new Map(parts.kinds.map((kind) => [kind.name, kind]))
    const homeless = [...this.#lanes.keys()].find(({ isOfBot }) => isOfBot && !parts.bot)
    if (homeless) throw new TypeError(`the lane ${homeless.name} needs a bot`)
    this.#recovery = new Recovery(parts)
    this.#failures = new FailureHandler({ ...parts, signal: this.#stop.signal })
  }

  async start(): Promise<void> {
    const { jobs, machine, log } = this.#parts
    const lanes = [...this.#lanes.keys()]
    jobs.whenQueued((kind) => this.#wake(this.#kinds.get(kind)?.lane))
    for (const breaker of new Set([machine, ...lanes.flatMap(({ breakers }) => breakers)])) {
      breaker.whenClosed(() => {
        for (const lane of lanes) this.#wake(lane)
      })
    }
    await this.recover()
    this.#renewing = setInterval(() => {
      this.#renew()
        .then(() => this.recover())
        .catch((error) => log.warn({ error }, 'leases not renewed'))
    }, leaseTime / 3)
    for (const [lane, kinds] of this.#lanes) {
      const names = kinds.map(({ name }) => name)
      for (let place = 0; place < lane.concurrency; place++) this.#runners.push(this.#run(lane, names))
    }
  }

  /** Takes care of the jobs whose worker is gone, or whose bot. Returns how many had lost their worker. */
  async recover(): Promise<number> {
    const { bot } = this.#parts
    const count = await this.#recovery.putBack()
    const ended = bot ? await this.#recovery.endOthers(bot.id) : 0
    if (ended > 0) await bot?.endedOthers?.(ended)
    return count
  }

  /** What /health says of the queue: whether jobs that might run do. */
  async health(): Promise<PartHealth> {
    const { jobs, bot } = this.#parts
    const kinds = [...this.#kinds.keys()]
    const overdue = kinds.length > 0 ? await jobs.claims.overdue(kinds, bot?.id) : []
    const count = overdue.reduce((sum, { count }) => sum + count, 0)
    if (count === 0) return { ok: true, detail: 'nothing waits' }
    const now = monotonicNow()
    const age = now - Math.min(...overdue.map(({ since }) => since))
    // A long row of large files is no fault, as long as it moves.
    const isStuck = overdue.some(({ kind, since }) => {
      const lane = this.#kinds.get(kind)?.lane
      return lane && now - Math.max(since, this.#lastMove(lane)) > lane.stuckAfter
    })
    const minutes = Math.floor(age / 60_000)
    const detail = `${count} waiting, the oldest for ${minutes < 1 ? 'less than a minute' : `${minutes} min`}`
    return { ok: !isStuck, detail: isStuck ? `${detail}; nothing moves` : detail }
  }

  #lastMove(lane: Lane): number {
    const growth = [...this.#running]
      .filter(([, running]) => running.lane === lane)
      .map(([id]) => this.#parts.jobs.reservations.grewAt(id) ?? 0)
    return Math.max(this.#startedAt, this.#movedAt.get(lane) ?? 0, ...growth)
  }

  /** Resolves when every runner that sleeps has woken up; one that works, or waits for the database, is not asked. */
  async comesRound(): Promise<void> {
    await Promise.all([...this.#sleepers.values()].flatMap((sleepers) => [...sleepers.values()]))
  }

  /** Hands running jobs back to the queue and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewing)
    this.#stop.abort()
    for (const sleepers of this.#sleepers.values()) for (const awake of [...sleepers.keys()]) awake()
    await Promise.all(this.#runners)
  }

  #lease(): Lease {
    return { worker: this.#parts.inHand.worker, until: monotonicNow() + leaseTime }
  }

  /** A job that someone else has taken over in the meantime, as after a long sleep of the machine, is let go. */
  async #renew(): Promise<void> {
    const before = [...this.#running]
    const ours = await this.#parts.jobs.claims.renew(
      this.#lease(),
      before.map(([id]) => id),
    )
    for (const [id, { lost }] of before) if (!ours.includes(id)) lost.abort()
  }

  async #run(lane: Lane, kinds: string[]): Promise<void> {
    const { jobs, log, machine, bot } = this.#parts
    const botId = lane.isOfBot && bot ? bot.id : noBot
    while (!this.#stop.signal.aborted) {
      try {
        const isOpen = machine.isClosed && lane.breakers.every((breaker) => breaker.isClosed)
        const job =
          isOpen && (await lane.ready()) ? await jobs.claims.next(kinds, botId, this.#lease()) : undefined
        const kind = job && this.#kinds.get(job.kind)
        if (job && kind) {
          this.#wake(lane)
          await this.#work(kind, job)
        } else await this.#sleep(lane)
      } catch (error) {
        log.error({ lane: lane.name, error }, 'the queue stumbled')
        if (!this.#stop.signal.aborted) await machine.works(error)
        await this.#sleep(lane)
      }
    }
  }

  async #work(kind: JobKind, job: ClaimedJob): Promise<void> {
    const { jobs, machine, inHand } = this.#parts
    const { lane } = kind
    const lost = new AbortController()
    this.#running.set(job.id, { lane, lost })
    const began = monotonicNow()
    this.#movedAt.set(lane, began)
    try {
      const read = { ...job, payload: payloadOf(kind, job) }
      await inHand.take(job.id)
      await kind.run(read, AbortSignal.any([this.#stop.signal, lost.signal]), this.#elsewhere(job.id))
      for (const breaker of [machine, ...lane.breakers]) breaker.passed(job.id)
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
      this.#movedAt.set(lane, monotonicNow())
      // One that was lost has not been moved by us.
      jobs.reservations.stopped(job.id)
    }
  }

  /** A stop gives back what runs: found with a worker that is gone, it would count as a crash. */
  async #handBack(job: ClaimedJob): Promise<void> {
    const move = { reason: 'stopping', countsAsAttempt: false }
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

  /** One runner of a lane looks what there is; who finds a job sends the next one to look. */
  #wake(lane: Lane | undefined): void {
    const [awake] = (lane && this.#sleepers.get(lane)?.keys()) ?? []
    awake?.()
  }

  #sleep(lane: Lane): Promise<void> {
    const sleepers = this.#sleepers.get(lane) ?? new Map()
    this.#sleepers.set(lane, sleepers)
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
