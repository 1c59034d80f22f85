import type { z } from 'zod'
import type { Status } from './states.ts'

/** Of a job that needs no bot: Telegram's ids begin at 1. An older release takes it for another bot's, and gives it up. */
export const noBot = 0

export interface NewJob<S extends z.ZodType = z.ZodType> {
  /** Says the same thing is asked for again. */
  key: string
  /** The bot that it needs, if it needs one. */
  botId?: number
  userId: number
  chatId: number
  /** What its kind needs to do it; JSON. */
  payload: z.input<S>
  /** When its turn comes under the rate limits (`monotonicNow`): see `RateSlots.next`; by default now. */
  dueAt?: number
}

export interface Job {
  id: number
  kind: string
  botId: number
  userId: number
  chatId: number
  /** As the row has it; of a damaged row undefined. */
  payload: unknown
  /** The UUID of the file that it holds. */
  subject: string | undefined
  /** Bytes of disk that it is promised. */
  size: number
  /** How often a worker has begun it, less the attempts that failed by no fault of its own. */
  attempts: number
  /** Failures that were not counted as attempts, although nothing was found to be wrong elsewhere. */
  deferrals: number
  /** How often the process was gone while it ran. */
  crashes: number
  createdAt: number
}

/** A job as it was given to a worker. Whoever moves it names the worker: it may be someone else's by then. */
export interface ClaimedJob<P = unknown> extends Job {
  payload: P
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
    size: row.size,
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
