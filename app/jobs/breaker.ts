import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { monotonicNow } from '../core/monotonic-time.ts'

/** Milliseconds between two probes of something that does not work; the last one is kept. */
const probeDelays = [1000, 2000, 4000, 8000, 15_000]

/** Milliseconds for a probe: a disk that hangs does not work either. */
const patience = 20_000

/** Milliseconds without a failure after which trouble is said to be over: one that comes and goes is told once. */
const calm = 10_000

/** Milliseconds between two tries while one job after the other fails, at most. */
const maxPause = 60_000

/** Whose fault a failure is. */
export type Blame =
  /** Of what the jobs need: it does not work. */
  | 'outage'
  /** It works, and others have got through since this job failed first. */
  | 'job'
  /** It works as far as can be told, and this job is the only one that fails. */
  | 'alone'
  /** It works as far as can be told, but others fail as well. */
  | 'unclear'

interface Parts {
  /** For the log: what it is. */
  name: string
  /** Resolves when it works. */
  probe: (signal: AbortSignal) => Promise<void>
  log: Log
  /** Tells the owner that trouble has begun, or that it is over; may fail while nothing can be written. */
  tell?: (trouble: Trouble) => Promise<void>
}

export interface Trouble {
  isOver: boolean
  /** A code (`EROFS`), never a path. */
  reason: string
  seconds: number
}

/**
 * A circuit breaker around something that jobs need and that is not theirs: the machine, Telegram. While it is open
 * no job is begun, and nobody's attempts are counted; a probe closes it. It also remembers who fails while the probe
 * says that all is well, to tell a job's fault from everyone's.
 */
export class Breaker implements Disposable {
  readonly #parts: Parts
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  /** Jobs that failed, with how many others had got through before. */
  readonly #failed = new Map<number, number>()
  /** Those of them since the last one that got through. */
  readonly #inARow = new Set<number>()
  #through = 0
  #isDown = false
  #heldUntil = 0
  #trouble: { reason: string; since: number } | undefined
  #calming: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Whether jobs may begin. */
  get isClosed(): boolean {
    return !this.#isDown && monotonicNow() >= this.#heldUntil
  }

  /** Calls `listener` when jobs may begin again. */
  whenClosed(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Keeps jobs from beginning for so long, to the millisecond: someone asked for it. */
  hold(milliseconds: number): void {
    const until = monotonicNow() + milliseconds
    if (milliseconds <= 0 || until <= this.#heldUntil) return
    this.#heldUntil = until
    const wake = () => {
      if (this.isClosed) for (const listener of this.#listeners) listener()
    }
    // A little late is in time; a little early would find it still open.
    delay(milliseconds + 1, undefined, { signal: this.#stop.signal, ref: false }).then(wake, () => {})
  }

  /** A job that needs this has ended well. */
  passed(id: number): void {
    this.#through++
    this.forget(id)
    this.#inARow.clear()
    this.#calmDown()
  }

  /** A job that will not be tried again. */
  forget(id: number): void {
    this.#failed.delete(id)
  }

  /**
   * Decides whose fault it is that a job failed; opens when it is not the job's.
   * @param lasted milliseconds that the try took: tries that take long need no pause between them
   */
  async blame(id: number, error: unknown, lasted: number): Promise<Blame> {
    if (!(await this.works(error))) return 'outage'
    const before = this.#failed.get(id)
    this.#failed.set(id, before ?? this.#through)
    this.#inARow.add(id)
    const others = this.#inARow.size - 1
    if (others > 0) {
      this.hold(Math.min(1000 * 2 ** (others - 1), maxPause) - lasted)
      this.#begin(error)
    }
    if (before !== undefined && this.#through > before) return 'job'
    return others > 0 ? 'unclear' : 'alone'
  }

  /** Asks the probe after an error; opens when it fails. */
  async works(error: unknown): Promise<boolean> {
    if (this.#isDown) return false
    const fault = await this.#probe()
    if (fault === undefined) return true
    this.open(error, fault)
    return false
  }

  /** Opens until the probe succeeds; `fault` is what it said last. */
  open(error: unknown, fault: unknown = error): void {
    this.#begin(error)
    if (this.#isDown) return
    this.#isDown = true
    this.#parts.log.warn({ what: this.#parts.name, error }, 'it does not work: jobs wait')
    void this.#recover(fault)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    clearTimeout(this.#calming)
  }

  async #recover(before: unknown): Promise<void> {
    const { signal } = this.#stop
    let fault = before
    for (let tries = 0; !signal.aborted; tries++) {
      const pause = Number(probeDelays[Math.min(tries, probeDelays.length - 1)])
      await delay(Math.max(pause, askedWait(fault)), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      fault = await this.#probe()
      if (fault === undefined) break
      this.#parts.log.debug({ what: this.#parts.name, error: fault }, 'it does not work yet')
    }
    if (signal.aborted) return
    this.#isDown = false
    this.#parts.log.info({ what: this.#parts.name }, 'it works again: jobs go on')
    this.#calmDown()
    for (const listener of this.#listeners) listener()
  }

  /** What is wrong, or undefined. */
  async #probe(): Promise<unknown> {
    const late = AbortSignal.timeout(patience)
    const signal = AbortSignal.any([this.#stop.signal, late])
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    return await Promise.race([this.#parts.probe(signal), aborted]).then(
      () => undefined,
      (error) => error ?? new Error('no answer'),
    )
  }

  /** The owner hears it once, however often it is seen. */
  #begin(error: unknown): void {
    clearTimeout(this.#calming)
    const isNew = this.#trouble === undefined
    this.#trouble ??= { reason: reasonOf(error), since: monotonicNow() }
    if (isNew) void this.#tell(false)
  }

  #calmDown(): void {
    if (this.#trouble === undefined || this.#isDown || this.#inARow.size > 1) return
    clearTimeout(this.#calming)
    this.#calming = setTimeout(() => void this.#tell(true), calm).unref()
  }

  /** What could not be told while nothing could be written is told with its end. */
  async #tell(isOver: boolean): Promise<void> {
    const trouble = this.#trouble
    if (trouble === undefined) return
    if (isOver) this.#trouble = undefined
    const { reason, since } = trouble
    const seconds = Math.max(0, Math.round((monotonicNow() - since - (isOver ? calm : 0)) / 1000))
    await this.#parts.tell?.({ isOver, reason, seconds }).catch((error) => {
      this.#parts.log.warn({ what: this.#parts.name, error }, 'the owner cannot be told')
    })
  }
}

/** Milliseconds for which a probe must not be made again, if it was told so. */
function askedWait(fault: unknown): number {
  const seconds = fault instanceof Error && 'retryAfter' in fault ? fault.retryAfter : undefined
  return typeof seconds === 'number' ? seconds * 1000 : 0
}

function reasonOf(error: unknown): string {
  const inner = error instanceof Error && 'original' in error ? error.original : error
  return codeOf(inner) ?? (error instanceof Error ? error.name : 'unknown')
}
