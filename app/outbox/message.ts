import type { Place } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Outgoing } from './calls.ts'

/** What writing messages asks of a database: a role that only runs single statements can do it as well. */
export type OutboxDatabase = Pick<Database, 'query'> & Partial<Pick<Database, 'afterCommit'>>

export interface Button {
  text: string
  callback_data: string
}

/** A text that a chat must show from now on. */
export interface Revision {
  /** Telegram's HTML; see `escapeHtml`. */
  text: string
  keyboard?: Button[][] | undefined
  /** Names what this text is about; whoever listens by `whenSent` is told how its delivery goes. */
  topic?: string | undefined
}

export interface NewMessage extends Place, Revision {
  /** The bot that sends it, when it is not the outbox's: it finds it here, should it not run now. */
  botId?: number | undefined
  /** Names the message: written again, it shows the new text instead of being sent twice. */
  key?: string | undefined
  /** Milliseconds between two of its edits, when its texts only count something. */
  every?: number | undefined
}

export interface MessageRow extends Record<string, unknown>, Outgoing {
  id: number
  bot_id: number
  /** The last id in use when a sending began whose end is not recorded; 0 when none was known. */
  sending_after: number | null
  revision: number
  sent_revision: number
  failure: string | null
  topic: string | null
  attempts: number
  /** A text that another process wants shown until the next revision. */
  progress: string | null
}
