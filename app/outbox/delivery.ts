import type { BotApi } from '../core/bot-api.ts'
import { TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import { Attempt, MayBeSending } from './attempt.ts'
import { refused } from './calls.ts'
import { type Chats, isClosedBy } from './chats.ts'
import type { Drafts } from './drafts.ts'
import type { MessageRow } from './message.ts'
import {
  hasBrokenKeyboard,
  idsIn,
  type SentFile,
  type ShownPiece,
  unknownContent,
  type Wanted,
  wantedOf,
} from './pieces.ts'
import { SeenIds } from './seen-ids.ts'
import type { SendRateLimiter } from './send-rate-limiter.ts'
import type { SendingRows } from './sending-rows.ts'

/** How the delivery of what has a topic goes: begun, taken by Telegram, or impossible. */
export type Delivery = 'started' | 'finished' | 'failed'

/** What is told of a delivery. */
export interface DeliveryEvent {
  topic: string
  delivery: Delivery
  /** Telegram's, or ours, why it failed. */
  reason?: string
  /** Telegram's ids of the messages, in their order, when it has finished. */
  messageIds?: number[]
  /** By which this bot can send its files again; without those of which Telegram's answer was lost. */
  files?: SentFile[]
}

export type DeliveryListener = (event: DeliveryEvent) => Promise<void>

interface Parts {
  api: BotApi
  database: Database
  rows: SendingRows
  limiter: SendRateLimiter
  chats: Chats
  drafts: Drafts
  log: Log
  /** Ends the waiting between two calls. */
  signal: AbortSignal
}

/** Milliseconds before the n-th new attempt, when the server does not say. */
const backoff = [1000, 5000, 15_000, 60_000, 300_000]

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
   * Delivers the newest revision of a message. What Telegram says ends in the row; only a fault of the database, or of
   * the program, is thrown.
   */
  async deliver(id: number): Promise<void> {
    const { drafts, log } = this.#parts
    const row = await this.#parts.rows.find(id)
    if (!row) return
    const wanted = wantedOf(row)
    if (!wanted) {
      log.error({ outgoing: id }, 'a message cannot be read: it waits for the release that wrote it')
      return await this.#end(row, unknownContent, false)
    }
    if (hasBrokenKeyboard(row)) {
      log.error({ outgoing: id }, 'the buttons of a message cannot be read: it goes without them')
    }
    try {
      if (row.kind === 'live' && (await drafts.show(row, wanted))) return
      if (row.kind !== 'live') drafts.end(id)
      await this.#attempt(row, wanted)
    } catch (error) {
      // Stopped while it waited for its turn, or for an answer: what the row says is still so.
      if (isStop(error)) return
      await this.#failed(row, wanted, error)
    }
  }

  async #attempt(row: MessageRow, wanted: Wanted): Promise<void> {
    const { database, rows, limiter } = this.#parts
    const started = async () => {
      if (row.topic !== null && row.attempts === 0)
        await this.#tell({ topic: row.topic, delivery: 'started' })
    }
    const shown = await new Attempt({ ...this.#parts, ids: this.#ids, started }, row, wanted).run()
    limiter.passed()
    await database.transaction(async () => {
      await rows.markSent(row, shown)
      await this.#tellEnd(row, { delivery: 'finished', ...sentIn(shown) })
    })
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

  async #failed(row: MessageRow, wanted: Wanted, error: unknown): Promise<void> {
    const { rows, limiter, log } = this.#parts
    const { id, chat_id, attempts } = row
    const isTelegrams = error instanceof TelegramRefusal || error instanceof TelegramUnreachable
    if (!isTelegrams && !(error instanceof MayBeSending)) throw error
    // Refused, and not by a server that was about to stop: it was not sent. An edit that looked for it says nothing.
    const isUnsent = error instanceof TelegramRefusal && error.code < 500 && error.method.startsWith('send')
    if (error instanceof TelegramRefusal && isFinal(error)) {
      return await this.#refused(row, wanted, error, isUnsent)
    }
    limiter.heed(chat_id, error)
    const retryAfter = error instanceof TelegramRefusal ? error.retryAfter : undefined
    const wait =
      retryAfter === undefined ? Number(backoff[Math.min(attempts, backoff.length - 1)]) : retryAfter * 1000
    log.info({ outgoing: id, chat_id, attempts, wait_ms: wait, reason: error.message }, 'message waits')
    await rows.postpone(id, wait, isUnsent)
  }

  /** What can be mended is tried again at once; each of these changes the row, so none comes twice. */
  async #refused(row: MessageRow, wanted: Wanted, error: TelegramRefusal, isUnsent: boolean): Promise<void> {
    const { database, rows, chats, log } = this.#parts
    const { id, chat_id } = row
    const { migrateTo } = error
    if (migrateTo !== undefined && migrateTo !== chat_id) return await chats.move(chat_id, migrateTo)
    if (row.thread_id !== null && refused(error, /message thread not found|TOPIC_(CLOSED|DELETED)/)) {
      return await rows.leaveTopic(id, isUnsent)
    }
    if (wanted.options.quote && refused(error, /quote/i)) {
      return await rows.setOptions(id, { ...wanted.options, quote: undefined })
    }
    const reason = withoutPaths(error.description, wanted)
    if (row.kind === 'live' && !isClosedBy(error)) {
      log.debug({ outgoing: id, reason }, 'a text that grows is not shown')
      return await rows.markPassed(row, isUnsent)
    }
    log.warn({ outgoing: id, chat_id, reason }, 'message cannot be delivered')
    await database.transaction(async () => {
      if (isClosedBy(error)) await chats.close(chat_id, reason)
      await this.#end(row, reason, isUnsent)
    })
  }

  async #end(row: MessageRow, reason: string, isUnsent: boolean): Promise<void> {
    await this.#parts.database.transaction(async () => {
      const isEnd = await this.#parts.rows.markFailed(row, reason, isUnsent)
      if (isEnd) await this.#tellEnd(row, { delivery: 'failed', reason })
    })
  }
}

/** What another attempt would not change. */
function isFinal({ code }: TelegramRefusal): boolean {
  return code === 400 || code === 403 || code === 413
}

function sentIn(shown: ShownPiece[]): { messageIds: number[]; files: SentFile[] } {
  return { messageIds: idsIn(shown), files: shown.flat().flatMap(({ sent }) => sent ?? []) }
}

/** The server names files by their paths, which are nobody's business. */
function withoutPaths(description: string, { pieces }: Wanted): string {
  const paths = pieces.flat().flatMap(({ media }) => (media && 'path' in media.file ? [media.file.path] : []))
  return paths.reduce((text, path) => text.replaceAll(path, 'the file'), description)
}

/** Whether it was this process that ended a wait or a call. */
function isStop(error: unknown): boolean {
  if (error instanceof TelegramUnreachable) return error.code === 'STOPPED'
  return error instanceof Error && error.name === 'AbortError'
}
