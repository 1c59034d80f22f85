import type { Database } from '../core/database.ts'
import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'
import { Courier, type DeliveryListener } from './courier.ts'
import { MessageRows, type NewMessage, type Revision } from './message-rows.ts'
import { edit } from './outgoing.ts'
import { Pace } from './pace.ts'
import { Sender } from './sender.ts'

/** Milliseconds between two edits of one message that only show progress; Telegram limits edits per chat. */
const progressEvery = 3000

/**
 * Messages that must arrive. Each is a row that holds what the chat must show; the sender brings Telegram there
 * and keeps trying until Telegram has taken the newest revision or says that it never will. An edit that was taken
 * just before a crash is made again and answered with "not modified".
 */
export class Messages {
  readonly #api: TelegramApi
  readonly #database: Database
  readonly #log: Log
  readonly #rows: MessageRows
  readonly #pace = new Pace()
  readonly #courier: Courier
  readonly #sender: Sender
  readonly #stop = new AbortController()
  /** When a message last showed progress. */
  readonly #lastEdit = new Map<number, number>()

  constructor(api: TelegramApi, database: Database, log: Log) {
    this.#api = api
    this.#database = database
    this.#log = log
    this.#rows = new MessageRows(database, api.botId)
    const parts = { api, database, log, rows: this.#rows, pace: this.#pace }
    this.#courier = new Courier({ ...parts, signal: this.#stop.signal })
    this.#sender = new Sender({ ...parts, deliver: (id) => this.#deliver(id) })
  }

  /** Has `listener` told of deliveries; of an end within the transaction that records it. */
  whenSent(listener: DeliveryListener): void {
    this.#courier.listener = listener
  }

  /** Writes a message; it is sent after the caller's transaction. Returns its id here, not Telegram's. */
  async post(message: NewMessage): Promise<number> {
    const id = await this.#rows.add(message)
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

  /** Shows `text` in a sent message if that can be done now; the next call will show something newer anyway. */
  showProgress(id: number, text: () => string): void {
    if (Date.now() - (this.#lastEdit.get(id) ?? 0) < progressEvery) return
    this.#lastEdit.set(id, Date.now())
    this.#show(id, text()).catch((error) => this.#log.debug({ outgoing: id, error }, 'progress not shown'))
  }

  /**
   * Removes at most `limit` messages that were written before a moment (milliseconds since 1970) and wait for
   * nothing: Telegram has taken them, or never will. Returns how many; fewer than `limit` when no more are there.
   */
  async forget(before: number, limit: number): Promise<number> {
    return await this.#rows.forget(before, limit)
  }

  /** Moves the times of what waits by so many milliseconds: the clock was set back while nobody looked. */
  async shiftTimes(by: number): Promise<void> {
    await this.#rows.shiftTimes(by)
  }

  /** Notes an id in use, by which a message is found that was on its way in a crash. */
  seen(chatId: number, messageId: number): void {
    this.#courier.seen(chatId, messageId)
  }

  /** Begins to send what is waiting; once is enough. */
  start(): void {
    this.#sender.start()
  }

  /** Ends after the calls on their way; what waits is sent after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#sender.stop()
  }

  async #deliver(id: number): Promise<void> {
    await this.#courier.deliver(id)
    this.#lastEdit.delete(id)
  }

  async #show(id: number, text: string): Promise<void> {
    const row = await this.#rows.findShown(id)
    if (!row) return
    this.#sender.offer(row, 'progress', async () => {
      await edit(this.#api, { ...row, text, keyboard: null }).catch((error) => {
        this.#pace.heed(row.chat_id, error)
        this.#log.debug({ outgoing: id, error }, 'progress not shown')
      })
    })
  }
}
