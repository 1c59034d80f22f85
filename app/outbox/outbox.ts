import { setTimeout as delay } from 'node:timers/promises'
import type { BotApi } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import { edit } from './calls.ts'
import { Chats } from './chats.ts'
import { type DeliveryListener, MessageDelivery } from './delivery.ts'
import type { NewMessage, Revision } from './message.ts'
import { MessageRows } from './message-rows.ts'
import { SendRateLimiter } from './send-rate-limiter.ts'
import { Sender } from './sender.ts'

/** Milliseconds between two edits of one message that only show progress; Telegram limits edits per chat. */
const progressEvery = 3000

/** Milliseconds that calls under way have to end when the role stops. */
const grace = 2000

/**
 * Messages that must arrive. Each is a row that holds what the chat must show; the sender brings Telegram there
 * and keeps trying until Telegram has taken the newest revision or says that it never will. An edit that was taken
 * just before a crash is made again and answered with "not modified".
 */
export class Outbox implements AsyncDisposable {
  readonly #api: BotApi
  readonly #database: Database
  readonly #log: Log
  readonly #rows: MessageRows
  readonly #limiter = new SendRateLimiter()
  readonly #delivery: MessageDelivery
  readonly #sender: Sender
  readonly chats: Chats
  readonly #stop = new AbortController()
  readonly #cut = new AbortController()
  /** When a message last showed progress, by its key. */
  readonly #lastProgress = new Map<string, number>()

  /** @param maySend whether this process is the one that sends: of two, each would send all */
  constructor(bot: BotApi, database: Database, log: Log, maySend = () => true) {
    const api = cuttable(bot, this.#cut.signal)
    this.#api = api
    this.#database = database
    this.#log = log
    this.#rows = new MessageRows(database, api.botId)
    const wake = () => this.#sender.wake()
    this.chats = new Chats({ botId: api.botId, database, log, rows: this.#rows, wake })
    const parts = { api, database, log, rows: this.#rows, limiter: this.#limiter, chats: this.chats }
    this.#delivery = new MessageDelivery({ ...parts, signal: this.#stop.signal })
    this.#sender = new Sender({ ...parts, maySend, deliver: (id) => this.#delivery.deliver(id) })
  }

  /** Has `listener` told of deliveries; of an end within the transaction that records it. */
  whenSent(listener: DeliveryListener): void {
    this.#delivery.listener = listener
  }

  /**
   * Writes a message, or what the one with its key must show from now on; it is sent after the caller's transaction.
   * Returns its id here, not Telegram's.
   */
  async post(message: NewMessage): Promise<number> {
    const id = await this.#rows.write(message)
    if (message.key !== undefined) this.#lastProgress.delete(message.key)
    this.#database.afterCommit(() => this.#sender.wake())
    return id
  }

  /** Changes what the chat must show; without effect when the message is forgotten. */
  async revise(id: number, revision: Revision): Promise<void> {
    if (!(await this.#rows.revise(id, revision))) {
      this.#log.warn({ outgoing: id, topic: revision.topic }, 'message is forgotten: its chat is not told')
      return
    }
    this.#database.afterCommit(() => this.#sender.wake())
  }

  /**
   * Shows a text in the message with this key if that can be done now, and makes the message when there is none; the
   * next call will show something newer anyway.
   */
  showProgress(key: string, message: () => NewMessage): void {
    const last = this.#lastProgress.get(key)
    if (last !== undefined && performance.now() - last < progressEvery) return
    this.#lastProgress.set(key, performance.now())
    this.#show({ ...message(), key }, last === undefined).catch((error) =>
      this.#log.debug({ key, error }, 'progress not shown'),
    )
  }

  /** Waits until Telegram has said yes or no to the message with this key, or until `ms` are over. */
  async tried(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + ms
    while (performance.now() < end && !signal.aborted) {
      const row = await this.#rows.findByKey(key)
      if (!row || row.sent_revision > 0 || row.failure !== null || row.attempts > 0) return
      await delay(50, undefined, { signal }).catch(() => {})
    }
  }

  /**
   * Removes at most `limit` messages that were written before a moment (milliseconds since 1970) and wait for
   * nothing: Telegram has taken them, or never will. Returns how many; fewer than `limit` when no more are there.
   */
  async forget(before: number, limit: number): Promise<number> {
    await this.chats.forget(before)
    return await this.#rows.forget(before, limit)
  }

  /** Moves the times of what waits by so many milliseconds: the clock was set. */
  async shiftTimes(by: number): Promise<void> {
    await this.#rows.shiftTimes(by)
  }

  /** Notes the id of someone else's message, by which a message is found that was on its way in a crash. */
  heard(chatId: number, messageId: number): void {
    this.#delivery.heard(chatId, messageId)
  }

  /** Begins to send what is waiting; once is enough. */
  start(): void {
    this.#sender.start()
  }

  /**
   * Ends after the calls on their way; what waits is sent after the next start. A call that hangs is cut: the row of its
   * message says that it may have been sent, and the next start looks for it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    const late = setTimeout(() => this.#cut.abort(), grace)
    await this.#sender.stop()
    clearTimeout(late)
  }

  async #show(message: NewMessage & { key: string }, isFirst: boolean): Promise<void> {
    const { key, text } = message
    const row = await this.#rows.findByKey(key)
    if (!row) {
      // What ends within moments needs no message before its last one.
      if (!isFirst && (await this.#rows.begin(message))) this.#sender.wake()
      return
    }
    const isShown = row.sent_revision === row.revision && row.failure === null && row.message_id !== null
    if (!isShown) return
    this.#sender.offer(row, 'progress', async () => {
      await edit(this.#api, { ...row, text, keyboard: null }).then(
        () => this.#limiter.passed(),
        (error) => {
          this.#limiter.heed(row.chat_id, error)
          this.#log.debug({ outgoing: row.id, error }, 'progress not shown')
        },
      )
    })
  }
}

/** The same calls, ended when `cut` is aborted. */
function cuttable(api: BotApi, cut: AbortSignal): BotApi {
  return {
    botId: api.botId,
    call: (method, payload, options = {}) => {
      const signal = options.signal ? AbortSignal.any([options.signal, cut]) : cut
      return api.call(method, payload, { ...options, signal })
    },
  }
}
