import type { Place } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Content, Words } from './content.ts'

/** What writing messages asks of a database: a role that only runs single statements can do it as well. */
export type OutboxDatabase = Pick<Database, 'query'> & Partial<Pick<Database, 'afterCommit'>>

/** One button below a message (core.telegram.org/bots/api#inlinekeyboardbutton). */
export type Button = { text: string } & (
  | { callback_data: string }
  | { url: string }
  | { copy_text: { text: string } }
  | { web_app: { url: string } }
)

/** What is shown of the first link in a text (core.telegram.org/bots/api#linkpreviewoptions). */
export interface LinkPreview {
  is_disabled?: boolean
  url?: string
  prefer_small_media?: boolean
  prefer_large_media?: boolean
  show_above_text?: boolean
}

/** What a message shows: Telegram's HTML (see `escapeHtml`), or more than that. */
export type Showing = { text: string; content?: undefined } | { text?: undefined; content: Content }

/** What a chat must show from now on. */
export type Revision = Showing & {
  /** Of an album there are none; of several parts they stand below the last one. */
  keyboard?: Button[][] | undefined
  /** Names what this is about; whoever listens by `whenSent` is told how its delivery goes. */
  topic?: string | undefined
}

/** How a message is sent. */
export interface SendingOptions {
  /** Without a sound. */
  silent?: boolean | undefined
  /** Nobody can forward or save it. */
  protect?: boolean | undefined
  /** The part of the answered message that it is about; it is sent as well when that is not there any more. */
  quote?: (Words & { position?: number }) | undefined
  /** None unless it is asked for. */
  preview?: LinkPreview | undefined
}

export type NewMessage = Place &
  Revision &
  SendingOptions & {
    /** The bot that sends it, when it is not the outbox's: it finds it here, should it not run now. */
    botId?: number | undefined
    /** Names the message: written again, it shows the new text instead of being sent twice. */
    key?: string | undefined
    /** Milliseconds between two of its edits, when its texts only count something. */
    every?: number | undefined
  }

/** A message of which only the newest text counts until it has its last one. */
export type GrowingMessage = Place & Words & SendingOptions & { botId?: number | undefined; key: string }

export interface MessageRow extends Record<string, unknown> {
  id: number
  bot_id: number
  chat_id: number
  reply_to: number | null
  /** The topic of a group in which it stands. */
  thread_id: number | null
  /** Of the first one, when Telegram shows several. */
  message_id: number | null
  /** Telegram's HTML; empty when `content` says what to show, so that a release before that sends nothing. */
  text: string
  keyboard: string | null
  /** The last id in use when a sending began whose end is not recorded; 0 when none was known. */
  sending_after: number | null
  revision: number
  sent_revision: number
  failure: string | null
  topic: string | null
  attempts: number
  /** A text that another process wants shown until the next revision. */
  progress: string | null
  content: string | null
  options: string | null
  /** What the chat shows of it, when that is more than one text. */
  delivered: string | null
  /** The highest of its ids, when it has several. */
  last_message_id: number | null
  kind: RowKind | null
  /** 1 when the chat must show it no more. */
  withdrawn: number
}

/** Bytes of this machine go to Telegram for it; or it grows, and its last text is still to come. */
export type RowKind = 'upload' | 'live'
