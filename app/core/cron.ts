import cron, { type ScheduledTask } from 'node-cron'
import type { Log } from './log.ts'

export interface CronEntry {
  name: string
  /** node-cron's pattern, with seconds in front or without. */
  schedule: string
  /** Runs when the role starts as well. */
  atStart?: boolean
  /** Ends soon after `signal` is aborted: the stop of the role waits for it. */
  run(signal: AbortSignal): Promise<void>
}

/** Runs entries by the clock; while a run of an entry is going on, another one is not begun. */
export class Cron implements AsyncDisposable {
  readonly #tasks: ScheduledTask[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()

  constructor(entries: CronEntry[], log: Log) {
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
      const task = cron.schedule(schedule, execute, { name, noOverlap: true, logger: quiet })
      this.#tasks.push(task)
      if (atStart) task.execute().catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#tasks.map((task) => task.destroy()))
    await Promise.all(this.#running)
  }
}

/** node-cron writes to the console by itself; what matters is logged above. */
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
