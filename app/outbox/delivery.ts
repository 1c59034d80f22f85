import type { BotApi } from '../core/bot-api.ts'
import { TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import { adopt, edit, refused, send } from './calls.ts'
import { type Chats, isClosedBy } from './chats.ts'
import type { MessageRow } from './message.ts'
import { SeenIds } from './seen-ids.ts'
import type { SendRateLimiter } from './send-rate-limiter.ts'
import type { SendingRows } from './sending-rows.ts'

/** How the delivery of a text with a topic goes: begun, taken by Telegram, or impossible. */
export type Delivery = 'started' | 'finished' | 'failed'

/** What is told of a delivery. */
export interface DeliveryEvent {
  topic: string
  delivery: Delivery
  /** Telegram's, or ours, why it failed. */
  reason?: string
}

export type DeliveryListener = (event: DeliveryEvent) => Promise<void>

interface Parts {
  api: BotApi
  database: Database
  rows: SendingRows
  limiter: SendRateLimiter
  chats: Chats
  log: Log
  /** Ends the waiting between two calls. */
  signal: AbortSignal
}

/** Milliseconds before the n-th new attempt, when the server does not say. */
const backoff = [1000, 5000, 15_000, 60_000, 300_000]

/** Refusals of an edit whose message is not there any more; the last one is of Telegram's own servers. */
const goneMessage = /message to edit not found|message can't be edited|MESSAGE_ID_INVALID/

/**
 * Makes one attempt to have a chat show what its row says, and records in the row what became of it. Who calls has
 * counted its first call; what it makes besides, it counts by itself.
 */
export class MessageDelivery {
  readonly #parts: Parts
  readonly #ids = new SeenIds()
  readonly #listeners: DeliveryListener[] = []

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Has `listener` told of deliveries; of an end within the transaction that records it. */
  whenSent(listener: DeliveryListener): void {
    this.#listeners.push(listener)
  }

  /** Notes the id of a message that someone else has written. */
  heard(chatId: number, messageId: number): void {
    this.#ids.heard(chatId, messageId)
  }

  /**
   * Delivers the newest text of a message. What Telegram says ends in the row; only a fault of the database, or of
   * the program, is thrown.
   */
  async deliver(id: number): Promise<void> {
    const { api, database, rows, limiter, log } = this.#parts
    const row = await rows.find(id)
    if (!row) return
    if (!isKeyboard(row.keyboard)) {
      log.error({ outgoing: id }, 'the buttons of a message cannot be read: it goes without them')
      row.keyboard = null
    }
    try {
      const sent = row.message_id ?? (await this.#post(row))
      if (row.message_id !== null) await edit(api, row)
      limiter.passed()
      await database.transaction(async () => {
        await rows.markSent(row, sent)
        await this.#tellEnd(row, { delivery: 'finished' })
      })
    } catch (error) {
      // Stopped while it waited for its turn, or for an answer: what the row says is still so.
      if (isStop(error)) return
      await this.#failed(row, error)
    }
  }

  /**
   * Says in the table that a message is being sent, and only then sends it: a crash or a lost answer leaves the mark,
   * and the next attempt looks for the message first. A database that takes no mark sends nothing.
   */
  async #post(row: MessageRow): Promise<number> {
    const { api, database, rows, limiter, signal } = this.#parts
    const { id, chat_id, reply_to, sending_after: after } = row
    let calls = 0
    const turn = async () => {
      if (calls++ > 0) await limiter.turn(chat_id, signal)
    }
    // After an id that nobody knew, every old message of the bot could be taken for this one.
    if (after) {
      const known = (await rows.idsAfter(row)).union(new Set(this.#ids.heardIn(chat_id)))
      const found = await adopt(api, row, after, known, turn)
      if (found !== undefined) return found
    }
    await turn()
    await database.transaction(async () => {
      await rows.markSending(id, Math.max(reply_to ?? 0, this.#ids.last(chat_id)))
      if (row.topic !== null && row.attempts === 0)
        await this.#tell({ topic: row.topic, delivery: 'started' })
    })
    const sent = await send(api, row)
    this.#ids.seen(chat_id, sent)
    return sent
  }

  /** The start of an edit is told with its end: a transaction of its own would wait for the disk. */
  async #tellEnd({ topic, message_id }: MessageRow, end: Omit<DeliveryEvent, 'topic'>): Promise<void> {
    if (topic === null) return
    if (message_id !== null) await this.#tell({ topic, delivery: 'started' })
    await this.#tell({ topic, ...end })
  }

  async #tell(event: DeliveryEvent): Promise<void> {
    for (const listener of this.#listeners) await listener(event)
  }

  async #failed(row: MessageRow, error: unknown): Promise<void> {
    const { rows, limiter, log } = this.#parts
    const { id, chat_id, attempts } = row
    if (!(error instanceof TelegramRefusal || error instanceof TelegramUnreachable)) throw error
    // Refused, and not by a server that was about to stop: it was not sent. An edit that looked for it says nothing.
    const isUnsent = error instanceof TelegramRefusal && error.code < 500 && error.method === 'sendMessage'
    if (error instanceof TelegramRefusal && (error.code === 400 || error.code === 403)) {
      return await this.#refused(row, error, isUnsent)
    }
    limiter.heed(chat_id, error)
    const retryAfter = error instanceof TelegramRefusal ? error.retryAfter : undefined
    const wait =
      retryAfter === undefined ? Number(backoff[Math.min(attempts, backoff.length - 1)]) : retryAfter * 1000
    log.info({ outgoing: id, chat_id, attempts, wait_ms: wait, reason: error.message }, 'message waits')
    await rows.postpone(id, wait, isUnsent)
  }

  /** What can be mended is tried again at once; each of these changes the row, so none comes twice. */
  async #refused(row: MessageRow, error: TelegramRefusal, isUnsent: boolean): Promise<void> {
    const { database, rows, chats, log } = this.#parts
    const { id, chat_id } = row
    const { description, migrateTo } = error
    if (row.message_id !== null && refused(error, goneMessage)) return await rows.markGone(id)
    if (migrateTo !== undefined && migrateTo !== chat_id) return await chats.move(chat_id, migrateTo)
    if (row.thread_id !== null && refused(error, /message thread not found|TOPIC_(CLOSED|DELETED)/)) {
      return await rows.leaveTopic(id)
    }
    log.warn({ outgoing: id, chat_id, reason: description }, 'message cannot be delivered')
    await database.transaction(async () => {
      if (isClosedBy(error)) await chats.close(chat_id, description)
      const isEnd = await rows.markFailed(row, description, isUnsent)
      if (isEnd) await this.#tellEnd(row, { delivery: 'failed', reason: description })
    })
  }
}

/** One damaged row must keep nothing of its chat from arriving. */
function isKeyboard(json: string | null): boolean {
  try {
    return json === null || Array.isArray(JSON.parse(json))
  } catch {
    return false
  }
}

/** Whether it was this process that ended a wait or a call. */
function isStop(error: unknown): boolean {
  if (error instanceof TelegramUnreachable) return error.code === 'STOPPED'
  return error instanceof Error && error.name === 'AbortError'
}
