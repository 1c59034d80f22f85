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

/** What happened to jobs, for whoever looks into a file that did not arrive. */
export class JobEvents {
  readonly #database: Database
  readonly #log: Log

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  /** Writes an event of a job, as a row and a line of the log. */
  async record(
    job: Pick<Job, 'id' | 'kind' | 'userId' | 'chatId'>,
    event: JobEvent,
    data: object = {},
  ): Promise<void> {
    const context = { job_id: job.id, user_id: job.userId, chat_id: job.chatId, kind: job.kind }
    this.#log.info(
      { ...context, stage: stages[event], event, ...data },
      event.toLowerCase().replaceAll('_', ' '),
    )
    await this.#database.query(
      'INSERT INTO job_events (job_id, event_type, data, created_at) VALUES ($1, $2, $3, $4)',
      job.id,
      event,
      scrub(JSON.stringify(data)),
      Date.now(),
    )
  }
}
