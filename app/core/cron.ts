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
  readonly #running = new Set<Promise<void>>()

  constructor(entries: CronEntry[], log: Log) {
    for (const { name, schedule, atStart, run } of entries) {
      const execute = async () => {
        const running = run().catch((error) => log.error({ task: name, error }, 'scheduled task failed'))
        this.#running.add(running)
        await running
        this.#running.delete(running)
      }
      const task = cron.schedule(schedule, execute, { name, noOverlap: true, logger: quiet })
      this.#tasks.push(task)
      if (atStart) task.execute().catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.destroy()))
    await Promise.all(this.#running)
  }
}

/** node-cron writes to the console by itself; what matters is logged above. */
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
