import cron, { type ScheduledTask } from 'node-cron'
import type { Log } from './log.ts'

export interface CronEntry {
  name: string
  /** node-cron's pattern, with seconds in front or without. */
  schedule: string
  /** Runs when the role starts as well. */
  atStart?: boolean
  run(): Promise<void>
}

/** Runs entries by the clock; a run that is still going when its time comes again is not started twice. */
export class Cron implements AsyncDisposable {
  readonly #tasks: ScheduledTask[] = []
  readonly #running = new Map<string, Promise<void>>()

  constructor(entries: CronEntry[], log: Log) {
    for (const { name, schedule, atStart, run } of entries) {
      const execute = async () => {
        if (this.#running.has(name)) return
        const running = run().catch((error) => log.error({ task: name, error }, 'scheduled task failed'))
        this.#running.set(name, running)
        await running
        this.#running.delete(name)
      }
      this.#tasks.push(cron.schedule(schedule, execute, { name, logger: quiet }))
      if (atStart) void execute()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.destroy()))
    await Promise.all(this.#running.values())
  }
}

/** node-cron writes to the console by itself; what matters is logged above. */
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
