import type { ScheduledTask as Pattern } from 'node-cron'
import type { Log } from './log.ts'
import { monotonicNow } from './monotonic-time.ts'

export interface ScheduledTask {
  name: string
  /** node-cron's pattern, with seconds in front or without. */
  schedule: string
  /** Runs when the role starts as well. */
  atStart?: boolean
  /** Ends soon after `signal` is aborted: the stop of the role waits for it. */
  run(signal: AbortSignal): Promise<void>
}

/** Seconds that are made good when the process could not look at the clock: blocked, or stopped by someone. */
const maxMissed = 60

/**
 * Runs entries by the clock; while a run of an entry is going on, another one is not begun.
 *
 * node-cron reads the patterns, but its own timers go by the wall clock: set forward, it walks every second that never
 * was; set back, it stops. Here each second of steady time is shown to the patterns once.
 */
export class Schedule implements AsyncDisposable {
  readonly #entries: { name: string; schedule: string; execute: () => void }[] = []
  /** Of the entries, in their order. */
  #patterns: Pattern[] | undefined
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  /** Told at the next look at the clock. */
  readonly #waiting: (() => void)[] = []
  #shown = Math.floor(monotonicNow() / 1000)
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(entries: ScheduledTask[], log: Log) {
    for (const { name, schedule, atStart, run } of entries) {
      let isRunning = false
      const execute = async () => {
        if (isRunning) return
        isRunning = true
        const running = run(this.#stop.signal).catch((error) =>
          log.error({ task: name, error }, 'scheduled task failed'),
        )
        this.#running.add(running)
        await running
        this.#running.delete(running)
        isRunning = false
      }
      this.#entries.push({ name, schedule, execute })
      if (atStart) void execute()
    }
    this.#wait()
  }

  /** Resolves when the clock is looked at. */
  comesRound(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer)
    await this.#looking
    await Promise.all((this.#patterns ?? []).map((pattern) => pattern.destroy()))
    await Promise.all(this.#running)
  }

  /** Timers go by steady time as well. */
  #wait(): void {
    const look = () => {
      this.#looking = this.#look()
    }
    this.#timer = setTimeout(look, 1000 - (monotonicNow() % 1000))
  }

  async #look(): Promise<void> {
    this.#patterns ??= await this.#read()
    if (this.#stop.signal.aborted) return
    const now = Math.floor(monotonicNow() / 1000)
    const first = Math.max(this.#shown + 1, now - maxMissed)
    const seconds = Array.from(
      { length: Math.max(0, now - first + 1) },
      (_, at) => new Date((first + at) * 1000),
    )
    this.#shown = now
    for (const [at, { execute }] of this.#entries.entries()) {
      if (seconds.some((second) => this.#patterns?.[at]?.match(second))) execute()
    }
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#wait()
  }

  /** At the first look, so that no start waits for the library. */
  async #read(): Promise<Pattern[]> {
    const { createTask } = await import('node-cron')
    return this.#entries.map(({ name, schedule }) => createTask(schedule, () => {}, { name }))
  }
}
