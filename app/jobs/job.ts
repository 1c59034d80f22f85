import type { Status } from './states.ts'

export interface NewJob {
  kind: string
  /** Says the same thing is asked for again. */
  key: string
  botId: number
  userId: number
  chatId: number
  /** Bytes of disk that this job is promised until it ends. */
  size: number
  /** Bytes that it will count for its user; by default `size`. */
  userBytes?: number
  /** What its kind needs to do it; JSON. */
  payload: object
  /** The UUID that it makes, if it makes one: nobody else may take what lies under it. */
  subject?: string
  /** When its turn comes under the rate limits (`monotonicNow`): see `Load.nextSlot`; by default now. */
  dueAt?: number
}

export interface Job {
  id: number
  kind: string
  botId: number
  userId: number
  chatId: number
  /** Of a damaged row undefined: its kind fails it. */
  payload: unknown
  subject: string | undefined
  /** How often a worker has begun it, less the attempts that failed by no fault of its own. */
  attempts: number
  /** Failures that were not counted as attempts, although nothing was found to be wrong elsewhere. */
  deferrals: number
  /** How often the process was gone while it ran. */
  crashes: number
  createdAt: number
}

/** A job as it was given to a worker. Whoever moves it names the worker: it may be someone else's by then. */
export interface ClaimedJob extends Job {
  worker: string
}

/** Who works on a job, and until when (`monotonicNow`) it is theirs without a sign of life. */
export interface Lease {
  worker: string
  until: number
}

export interface JobRow extends Record<string, unknown> {
  id: number
  kind: string
  status: Status
  bot_id: number
  user_id: number
  chat_id: number
  size: number
  payload: string
  subject: string | null
  attempts: number
  deferrals: number
  crashes: number
  created_at: number
  worker: string | null
}

export function fromRow(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    botId: row.bot_id,
    userId: row.user_id,
    chatId: row.chat_id,
    payload: parsed(row.payload),
    subject: row.subject ?? undefined,
    attempts: row.attempts,
    deferrals: row.deferrals,
    crashes: row.crashes,
    createdAt: row.created_at,
  }
}

/** One damaged row must keep no other from being read. */
function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload)
  } catch {
    return undefined
  }
}
