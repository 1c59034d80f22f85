import type { Database } from '../core/database.ts'
import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'
import { TelegramRefusal, TelegramUnreachable } from './errors.ts'
import { adopt, edit, type Outgoing, refused, send } from './outgoing.ts'
import { Pace, type Weight } from './pace.ts'

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

/** A text that a chat must show from now on. */
export interface Revision {
  text: string
  keyboard?: Button[][]
  /** Names what this text is about; whoever listens by `whenSent` is told how its delivery goes. */
  topic?: string
}

/** How the delivery of a text with a topic goes: begun, taken by Telegram, or impossible. */
export type Delivery = 'started' | 'finished' | 'failed'

interface MessageRow extends Record<string, unknown>, Outgoing {
  id: number
  /** The last id in use when a sending began whose end is not recorded. */
  sending_after: number | null
  revision: number
  topic: string | null
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
  readonly #pace = new Pace()
  #lastPrivate = 0
  #sent: (topic: string, delivery: Delivery, reason?: string) => Promise<void> = async () => {}
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined
  #looking = false
  #lookAgain = false

  constructor(api: TelegramApi, database: Database, log: Log) {
    this.#api = api
    this.#database = database
    this.#log = log
  }

  /** Has `listener` told of deliveries; of an end within the transaction that records it. */
  whenSent(listener: (topic: string, delivery: Delivery, reason?: string) => Promise<void>): void {
    this.#sent = listener
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
  async revise(id: number, { text, keyboard, topic }: Revision): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET text = $2, keyboard = $3, topic = $5, revision = revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN due_at > $4 THEN due_at ELSE $4 END
       WHERE id = $1`,
      id,
      text,
      keyboard && JSON.stringify(keyboard),
      Date.now(),
      topic,
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
    if (!row?.message_id || this.#wait(row.chat_id, 'progress') > 0) return
    this.#start(row, async () => {
      await edit(this.#api, { ...row, text, keyboard: null }).catch((error) => {
        this.#hold(row.chat_id, error)
        this.#log.debug({ outgoing: id, error }, 'progress not shown')
      })
    })
  }

  /** Begins to send what is waiting; once is enough. */
  start(): void {
    this.#timer ??= setInterval(() => this.wake(), 1000)
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
    if (!this.#pace.isOpen) return this.#wakeIn(50)
    // An older message of the same chat that waits for its time holds back the newer ones: order is kept.
    const rows = await this.#database.query<{ id: number; chat_id: number }>(
      `SELECT id, chat_id FROM messages AS m WHERE bot_id = $1 AND due_at <= $2
         AND sent_revision < revision AND failure IS NULL AND NOT EXISTS (
           SELECT 1 FROM messages AS older WHERE older.bot_id = m.bot_id AND older.chat_id = m.chat_id
             AND older.id < m.id AND older.sent_revision < older.revision AND older.failure IS NULL
         ) ORDER BY due_at, id LIMIT 500`,
      this.#api.botId,
      Date.now(),
    )
    let soonest = Number.POSITIVE_INFINITY
    for (const row of rows) {
      if (this.#inFlight.size >= maxInFlight) return
      const wait = this.#wait(row.chat_id, 'must')
      if (wait === 0) this.#start(row, () => this.#deliver(row.id))
      soonest = Math.min(soonest, wait)
    }
    if (soonest > 0 && soonest < 1000) this.#wakeIn(soonest)
  }

  /** One timer at a time: each look may ask for the next one. */
  #wakeIn(milliseconds: number): void {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(() => this.wake(), milliseconds).unref()
  }

  /** Milliseconds until a call for a chat may be made; endless while one is on its way, whose end wakes us. */
  #wait(chatId: number, weight: Weight): number {
    if (this.#busy.has(chatId) || this.#stopped) return Number.POSITIVE_INFINITY
    return this.#pace.wait(chatId, weight)
  }

  #hold(chatId: number, error: unknown): void {
    if (!(error instanceof TelegramRefusal) || error.retryAfter === undefined) return
    this.#pace.hold(chatId, error.retryAfter)
  }

  #start(row: { id: number; chat_id: number }, work: () => Promise<void>): void {
    this.#busy.add(row.chat_id)
    this.#pace.take(row.chat_id)
    const task = work()
      .catch((error) => {
        // The database cannot be written to, or this is a fault of the program: not at once again.
        this.#pace.hold(row.chat_id, 1)
        this.#log.error({ outgoing: row.id, error }, 'message not recorded')
      })
      .finally(() => {
        this.#busy.delete(row.chat_id)
        this.#inFlight.delete(task)
        this.wake()
      })
    this.#inFlight.add(task)
  }

  async #deliver(id: number): Promise<void> {
    const [row] = await this.#database.query<MessageRow>('SELECT * FROM messages WHERE id = $1', id)
    if (!row) return
    const { topic } = row
    try {
      const sent = row.message_id ?? (await this.#post(row))
      if (row.message_id !== null) await edit(this.#api, row)
      await this.#database.transaction(async () => {
        await this.#database.query(
          `UPDATE messages SET message_id = $2, sent_revision = $3, attempts = 0, sending_after = NULL WHERE id = $1`,
          row.id,
          sent,
          row.revision,
        )
        if (topic !== null && row.message_id !== null) await this.#sent(topic, 'started')
        if (topic !== null) await this.#sent(topic, 'finished')
      })
      this.#lastEdit.delete(row.id)
    } catch (error) {
      await this.#failed(row, error)
    }
  }

  /**
   * Says in the table that a message is being sent, and only then sends it: a crash or a lost answer leaves the mark,
   * and the next attempt looks for the message first. A database that takes no mark sends nothing.
   */
  async #post(row: MessageRow): Promise<number> {
    if (row.sending_after !== null) {
      const found = await adopt(this.#api, row, row.sending_after, await this.#idsAfter(row))
      if (found !== undefined) return this.seen(row.chat_id, found)
    }
    await this.#database.transaction(async () => {
      const last = Math.max(row.reply_to ?? 0, row.chat_id > 0 ? this.#lastPrivate : 0)
      await this.#database.query('UPDATE messages SET sending_after = $2 WHERE id = $1', row.id, last)
      if (row.topic !== null && row.attempts === 0) await this.#sent(row.topic, 'started')
    })
    return this.seen(row.chat_id, await send(this.#api, row))
  }

  /** Notes an id in use: all private chats of a bot share one sequence of ids. */
  seen(chatId: number, messageId: number): number {
    if (chatId > 0) this.#lastPrivate = Math.max(this.#lastPrivate, messageId)
    return messageId
  }

  async #idsAfter({ chat_id, sending_after }: MessageRow): Promise<Set<number>> {
    const rows = await this.#database.query<{ message_id: number }>(
      'SELECT message_id FROM messages WHERE bot_id = $1 AND chat_id = $2 AND message_id > $3',
      this.#api.botId,
      chat_id,
      sending_after,
    )
    return new Set(rows.map(({ message_id }) => message_id))
  }

  async #failed(row: MessageRow, error: unknown): Promise<void> {
    const { id, chat_id, attempts } = row
    if (refused(error, /message to edit not found|message can't be edited/)) {
      await this.#database.query(
        'UPDATE messages SET message_id = NULL, sending_after = NULL, attempts = 0 WHERE id = $1',
        id,
      )
      return
    }
    if (error instanceof TelegramRefusal && (error.code === 400 || error.code === 403)) {
      this.#log.warn({ outgoing: id, chat_id, reason: error.description }, 'message cannot be delivered')
      const { description } = error
      await this.#database.transaction(async () => {
        await this.#database.query('UPDATE messages SET failure = $2 WHERE id = $1', id, description)
        if (row.topic !== null && row.message_id !== null) await this.#sent(row.topic, 'started')
        if (row.topic !== null) await this.#sent(row.topic, 'failed', description)
      })
      return
    }
    if (!(error instanceof TelegramRefusal || error instanceof TelegramUnreachable)) throw error
    this.#hold(chat_id, error)
    const retryAfter = error instanceof TelegramRefusal ? error.retryAfter : undefined
    const wait =
      retryAfter === undefined ? backoff[Math.min(attempts, backoff.length - 1)] : retryAfter * 1000
    this.#log.info({ outgoing: id, chat_id, attempts, wait_ms: wait, reason: error.message }, 'message waits')
    // Refused, and not by a server that was about to stop: it was not sent.
    const isSure = error instanceof TelegramRefusal && error.code < 500
    await this.#database.query(
      `UPDATE messages SET attempts = attempts + 1, due_at = $2,
         sending_after = CASE WHEN $3 = 1 THEN NULL ELSE sending_after END WHERE id = $1`,
      id,
      Date.now() + Number(wait),
      Number(isSure),
    )
  }
}
