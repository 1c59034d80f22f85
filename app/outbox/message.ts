import type { Place } from '../core/bot-api.ts'
import type { Outgoing } from './calls.ts'

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
  /** The bot that sends it, when it is not this one: that bot finds it here should it come back. */
  botId?: number | undefined
  /** Names the message: written again, it shows the new text instead of being sent twice. */
  key?: string | undefined
  /** Milliseconds between two of its edits, when its texts only count something. */
  every?: number | undefined
}

export interface MessageRow extends Record<string, unknown>, Outgoing {
  id: number
  /** The last id in use when a sending began whose end is not recorded; 0 when none was known. */
  sending_after: number | null
  revision: number
  sent_revision: number
  failure: string | null
  topic: string | null
  attempts: number
}
