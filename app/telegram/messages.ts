import type { Database } from '../core/database.ts'
import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'
import { TelegramRefusal, TelegramUnreachable } from './errors.ts'

export interface Button {
  text: string
  callback_data: string
}

export interface NewMessage {
  chatId: number
  /** The message it answers; it is sent as well when that one is gone. */
  replyTo?: number
  /** Telegram's HTML; see `escapeHtml`. */
  text: string
  keyboard?: Button[][]
}

interface MessageRow extends Record<string, unknown> {
  id: number
  chat_id: number
  reply_to: number | null
  message_id: number | null
  text: string
  keyboard: string | null
  revision: number
  attempts: number
}

/** Milliseconds between two edits of one message that only show progress; Telegram limits edits per chat. */
const progressEvery = 3000

/** Messages on their way at the same time. */
const maxInFlight = 16

/** Milliseconds before the n-th new attempt, when the server does not say. */
const backoff = [1000, 5000, 15_000, 60_000, 300_000]

/**
 * Messages that must arrive. Each is a row that holds what the chat must show; the sender brings Telegram there
 * and keeps trying until Telegram has taken the newest revision or says that it never will. An edit that was taken
 * just before a crash is made again and answered with "not modified".
 */
export class Messages {
  readonly #api: TelegramApi
  readonly #database: Database
  readonly #log: Log
  /** Chats with a call on its way: their order is kept by waiting. */
  readonly #busy = new Set<number>()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #lastEdit = new Map<number, number>()
  /** Until when Telegram wants to hear nothing for a chat; milliseconds since 1970. */
  readonly #heldUntil = new Map<number, number>()
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #lookAgain = false

  constructor(api: TelegramApi, database: Database, log: Log) {
    this.#api = api
    this.#database = database
    this.#log = log
  }

  /** Writes a message; it is sent after the caller's transaction. Returns its id here, not Telegram's. */
  async post({ chatId, replyTo, text, keyboard }: NewMessage): Promise<number> {
    const [row] = await this.#database.query<{ id: number }>(
      `INSERT INTO messages (bot_id, chat_id, reply_to, text, keyboard, due_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id`,
      this.#api.botId,
      chatId,
      replyTo,
      text,
      keyboard && JSON.stringify(keyboard),
      Date.now(),
    )
    this.#database.afterCommit(() => this.wake())
    return (row as { id: number }).id
  }

  /** Changes what the chat must show. */
  async revise(id: number, { text, keyboard }: { text: string; keyboard?: Button[][] }): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET text = $2, keyboard = $3, revision = revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN due_at > $4 THEN due_at ELSE $4 END
       WHERE id = $1`,
      id,
      text,
      keyboard && JSON.stringify(keyboard),
      Date.now(),
    )
    this.#database.afterCommit(() => this.wake())
  }

  /** Shows `text` in a sent message if that can be done now; the next call will show something newer anyway. */
  showProgress(id: number, text: () => string): void {
    if (Date.now() - (this.#lastEdit.get(id) ?? 0) < progressEvery) return
    this.#lastEdit.set(id, Date.now())
    this.#show(id, text()).catch((error) => this.#log.debug({ outgoing: id, error }, 'progress not shown'))
  }

  async #show(id: number, text: string): Promise<void> {
    const [row] = await this.#database.query<MessageRow>(
      `SELECT * FROM messages WHERE id = $1 AND sent_revision = revision AND failure IS NULL`,
      id,
    )
    if (!row?.message_id || !this.#isFree(row.chat_id)) return
    this.#start(row, async () => {
      await this.#edit({ ...row, text, keyboard: null }).catch((error) => {
        this.#hold(row.chat_id, error)
        this.#log.debug({ outgoing: id, error }, 'progress not shown')
      })
    })
  }

  /** Begins to send what is waiting. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), 1000)
    this.wake()
  }

  /** Ends after the calls on their way; what waits is sent after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await Promise.allSettled(this.#inFlight)
  }

  /** Looks for messages to send now. */
  wake(): void {
    if (this.#looking) {
      this.#lookAgain = true
      return
    }
    this.#looking = true
    this.#look()
      .catch((error) => this.#log.error({ error }, 'cannot read the messages to send'))
      .finally(() => {
        this.#looking = false
        if (this.#lookAgain) {
          this.#lookAgain = false
          this.wake()
        }
      })
  }

  async #look(): Promise<void> {
    if (this.#stopped || this.#inFlight.size >= maxInFlight) return
    // An older message of the same chat that waits for its time holds back the newer ones: order is kept.
    const rows = await this.#database.query<MessageRow>(
      `SELECT * FROM messages AS m WHERE bot_id = $1 AND due_at <= $2
         AND sent_revision < revision AND failure IS NULL AND NOT EXISTS (
           SELECT 1 FROM messages AS older WHERE older.bot_id = m.bot_id AND older.chat_id = m.chat_id
             AND older.id < m.id AND older.sent_revision < older.revision AND older.failure IS NULL
         ) ORDER BY due_at, id LIMIT 100`,
      this.#api.botId,
      Date.now(),
    )
    for (const row of rows) {
      if (this.#inFlight.size >= maxInFlight) return
      if (this.#isFree(row.chat_id)) this.#start(row, () => this.#deliver(row))
    }
  }

  #isFree(chatId: number): boolean {
    const held = (this.#heldUntil.get(chatId) ?? 0) > Date.now()
    if (!held) this.#heldUntil.delete(chatId)
    return !held && !this.#busy.has(chatId) && !this.#stopped
  }

  #hold(chatId: number, error: unknown): void {
    if (!(error instanceof TelegramRefusal) || error.retryAfter === undefined) return
    this.#heldUntil.set(chatId, Date.now() + error.retryAfter * 1000)
  }

  #start(row: MessageRow, work: () => Promise<void>): void {
    this.#busy.add(row.chat_id)
    const task = work()
      .catch((error) => this.#log.error({ outgoing: row.id, error }, 'message not recorded'))
      .finally(() => {
        this.#busy.delete(row.chat_id)
        this.#inFlight.delete(task)
        this.wake()
      })
    this.#inFlight.add(task)
  }

  async #deliver(row: MessageRow): Promise<void> {
    try {
      const messageId = row.message_id === null ? await this.#send(row) : await this.#edit(row)
      await this.#database.query(
        'UPDATE messages SET message_id = $2, sent_revision = $3, attempts = 0 WHERE id = $1',
        row.id,
        messageId,
        row.revision,
      )
      this.#lastEdit.delete(row.id)
    } catch (error) {
      await this.#failed(row, error)
    }
  }

  async #send(row: MessageRow): Promise<number> {
    const { message_id } = await this.#api.call<{ message_id: number }>('sendMessage', {
      chat_id: row.chat_id,
      ...content(row),
      ...(row.reply_to !== null && {
        reply_parameters: { message_id: row.reply_to, allow_sending_without_reply: true },
      }),
    })
    return message_id
  }

  async #edit(row: MessageRow): Promise<number | null> {
    try {
      const target = { chat_id: row.chat_id, message_id: row.message_id }
      await this.#api.call('editMessageText', { ...target, ...content(row) })
    } catch (error) {
      if (!refused(error, /message is not modified/)) throw error
    }
    return row.message_id
  }

  async #failed(row: MessageRow, error: unknown): Promise<void> {
    const { id, chat_id, attempts } = row
    if (refused(error, /message to edit not found|message can't be edited/)) {
      await this.#database.query('UPDATE messages SET message_id = NULL WHERE id = $1', id)
      return
    }
    if (error instanceof TelegramRefusal && (error.code === 400 || error.code === 403)) {
      this.#log.warn({ outgoing: id, chat_id, reason: error.description }, 'message cannot be delivered')
      await this.#database.query('UPDATE messages SET failure = $2 WHERE id = $1', id, error.description)
      return
    }
    if (!(error instanceof TelegramRefusal || error instanceof TelegramUnreachable)) throw error
    this.#hold(chat_id, error)
    const retryAfter = error instanceof TelegramRefusal ? error.retryAfter : undefined
    const wait =
      retryAfter === undefined ? backoff[Math.min(attempts, backoff.length - 1)] : retryAfter * 1000
    this.#log.info({ outgoing: id, chat_id, attempts, wait_ms: wait, reason: error.message }, 'message waits')
    await this.#database.query(
      'UPDATE messages SET attempts = attempts + 1, due_at = $2 WHERE id = $1',
      id,
      Date.now() + Number(wait),
    )
  }
}

function content({ text, keyboard }: MessageRow): object {
  return {
    text,
    parse_mode: 'HTML',
    link_preview_options: { is_disabled: true },
    ...(keyboard !== null && { reply_markup: { inline_keyboard: JSON.parse(keyboard) } }),
  }
}

function refused(error: unknown, reason: RegExp): boolean {
  return error instanceof TelegramRefusal && error.code === 400 && reason.test(error.description)
}

/** `text` for use inside a message; Telegram's HTML knows only these three (core.telegram.org/bots/api#html-style). */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
