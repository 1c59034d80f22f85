import type { Database } from '../core/database/database.ts'
import { type Log, scrub } from '../core/log.ts'
import type { Job } from './job.ts'

/** What can happen to any job, and the part of the program where it happens. */
const stages = {
  JOB_CREATED: 'BOT',
  STATUS_CHANGED: 'ORCHESTRATOR',
  WORKER_ASSIGNED: 'QUEUE',
  RETRY_SCHEDULED: 'QUEUE',
  RETRY_SKIPPED: 'QUEUE',
  MAX_RETRIES_REACHED: 'QUEUE',
  JOB_RECOVERED_STALE: 'QUEUE',
  JOB_COMPLETED: 'WORKER',
  JOB_FAILED: 'WORKER',
} as const

/** What happens to jobs of one kind only. */
export interface OwnEvent {
  name: string
  stage: string
}

export type JobEvent = keyof typeof stages | OwnEvent

/** The job of an event. */
type Subject = Pick<Job, 'id' | 'kind' | 'userId' | 'chatId'>

/** What happened to jobs, for whoever looks into one that did not end well: a row and a line of the log for each event. */
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
    const named = events.map(([event, data]) => ({ ...nameAndStage(event), data }))
    for (const { name, stage, data } of named) {
      this.#log.info({ ...context, stage, event: name, ...data }, name.toLowerCase().replaceAll('_', ' '))
    }
    const rows = events.map((_, i) => `($1, $${2 * i + 3}, $${2 * i + 4}, $2)`)
    await this.#database.query(
      `INSERT INTO job_events (job_id, event_type, data, created_at) VALUES ${rows.join(', ')}`,
      job.id,
      Date.now(),
      ...named.flatMap(({ name, data }) => [name, scrub(JSON.stringify(data))]),
    )
  }
}

function nameAndStage(event: JobEvent): OwnEvent {
  return typeof event === 'string' ? { name: event, stage: stages[event] } : event
}
