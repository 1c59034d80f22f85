import type { Database } from '../core/database/database.ts'
import { type Log, scrub } from '../core/log.ts'
import type { Job } from './job.ts'

/** What can happen to a job, and the part of the program where it happens; every one is a row and a line of the log. */
export const stages = {
  JOB_CREATED: 'BOT',
  STATUS_CHANGED: 'ORCHESTRATOR',
  WORKER_ASSIGNED: 'QUEUE',
  DOWNLOAD_STARTED: 'DOWNLOAD',
  DOWNLOAD_FINISHED: 'DOWNLOAD',
  DOWNLOAD_FAILED: 'DOWNLOAD',
  OUTPUT_VALIDATED: 'WORKER',
  RETRY_SCHEDULED: 'QUEUE',
  RETRY_SKIPPED: 'QUEUE',
  MAX_RETRIES_REACHED: 'QUEUE',
  JOB_RECOVERED_STALE: 'QUEUE',
  JOB_COMPLETED: 'WORKER',
  JOB_FAILED: 'WORKER',
  TELEGRAM_SEND_STARTED: 'TELEGRAM_SEND',
  TELEGRAM_SEND_FINISHED: 'TELEGRAM_SEND',
  TELEGRAM_SEND_FAILED: 'TELEGRAM_SEND',
} as const

export type JobEvent = keyof typeof stages

/** The job of an event. */
type Subject = Pick<Job, 'id' | 'kind' | 'userId' | 'chatId'>

/** What happened to jobs, for whoever looks into a file that did not arrive. */
export class JobEvents {
  readonly #database: Database
  readonly #log: Log

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  /** Writes an event of a job, as a row and a line of the log. */
  async record(job: Subject, event: JobEvent, data: object = {}): Promise<void> {
    await this.recordAll(job, [[event, data]])
  }

  /** Writes several events of a job, in their order: one statement for all. */
  async recordAll(job: Subject, events: [event: JobEvent, data: object][]): Promise<void> {
    const context = { job_id: job.id, user_id: job.userId, chat_id: job.chatId, kind: job.kind }
    for (const [event, data] of events) {
      const message = event.toLowerCase().replaceAll('_', ' ')
      this.#log.info({ ...context, stage: stages[event], event, ...data }, message)
    }
    const rows = events.map((_, i) => `($1, $${2 * i + 3}, $${2 * i + 4}, $2)`)
    await this.#database.query(
      `INSERT INTO job_events (job_id, event_type, data, created_at) VALUES ${rows.join(', ')}`,
      job.id,
      Date.now(),
      ...events.flatMap(([event, data]) => [event, scrub(JSON.stringify(data))]),
    )
  }
}
