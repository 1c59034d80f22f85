import type { BotApi } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import { edit } from './calls.ts'
import { Chats } from './chats.ts'
import { type DeliveryListener, MessageDelivery } from './delivery.ts'
import { Drafts } from './drafts.ts'
import type { MessageRow } from './message.ts'
import type { LocalSender, Outbox } from './outbox.ts'
import { SendRateLimiter } from './send-rate-limiter.ts'
import { SendTurns } from './send-turns.ts'
import { SendingRows } from './sending-rows.ts'

/** Milliseconds between two looks for what other processes have written. */
const lookEvery = 1000

/** Milliseconds that calls under way have to end when the role stops. */
const grace = 2000

/** Texts of other processes that one look takes: as many as Telegram takes in a second. */
const maxProgress = 26

interface Parts {
  api: BotApi
  /** The outbox of this process. */
  outbox: Outbox
  database: Database
  log: Log
  /** Whether this process is the one that sends: of two, each would send all. */
  maySend?: () => boolean
}

/**
 * Delivers the messages of one bot, in the one process that has its calls: keeps trying until Telegram has taken the
 * newest revision of each or says that it never will.
 *
 * Each message arrives, and once, but for this: Telegram knows no key by which it would refuse to take one twice. What
 * was on its way in a crash, or when an answer was lost, is looked for by edits among the next ten ids that nobody else
 * is known to have; edits that were made already are answered with "not modified". So a message comes twice when there
 * were more of others, of which this process did not hear, when no id was known before it, or when a large file arrives
 * after it was looked for during six minutes. Files that are found by that have no `file_id` here.
 */
export class OutboxSender implements LocalSender, AsyncDisposable {
  readonly #api: BotApi
  readonly #log: Log
  readonly #rows: SendingRows
  readonly #limiter = new SendRateLimiter()
  readonly #delivery: MessageDelivery
  readonly #turns: SendTurns
  readonly #drafts: Drafts
  readonly chats: Chats
  readonly #stop = new AbortController()
  readonly #cut = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor({ api: bot, outbox, database, log, maySend = () => true }: Parts) {
    const api = cuttable(bot, this.#cut.signal)
    this.#api = api
    this.#log = log
    this.#rows = new SendingRows(database, api.botId)
    const wake = () => this.wake()
    this.chats = new Chats({ botId: api.botId, database, log, rows: this.#rows, wake })
    this.#drafts = new Drafts({ api, rows: this.#rows, limiter: this.#limiter, log })
    const [rows, limiter, chats, drafts] = [this.#rows, this.#limiter, this.chats, this.#drafts]
    const parts = { api, database, log, rows, limiter, chats, drafts }
    this.#delivery = new MessageDelivery({ ...parts, signal: this.#stop.signal })
    this.#turns = new SendTurns({ ...parts, maySend, deliver: (id) => this.#delivery.deliver(id) })
    outbox.attach(this)
  }

  get botId(): number {
    return this.#api.botId
  }

  /** Has `listener` told of deliveries; of an end within the transaction that records it. */
  whenSent(listener: DeliveryListener): void {
    this.#delivery.whenSent(listener)
  }

  /** Notes the id of someone else's message, by which a message is found that was on its way in a crash. */
  heard(chatId: number, messageId: number): void {
    this.#delivery.heard(chatId, messageId)
  }

  /** Begins to send what is waiting; once is enough. */
  start(): void {
    if (this.#timer || this.#stop.signal.aborted) return
    this.#timer = setInterval(() => {
      this.wake()
      for (const [row, renew] of this.#drafts.fading()) this.#show(row, renew)
      this.#showLeft().catch((error) => this.#log.debug({ error }, 'progress not shown'))
    }, lookEvery)
    this.#rows
      .reviveUnknown()
      .catch((error) => this.#log.error({ error }, 'messages of another release are not looked at'))
      .finally(() => this.wake())
  }

  wake(): void {
    this.#turns.wake()
  }

  showProgress(row: MessageRow, text: string): void {
    const id = row.message_id
    if (id === null) return
    const item = { type: 'text', words: { html: text } } as const
    this.#show(row, () => edit(this.#api, row.chat_id, item, { id, type: 'text' }))
  }

  /**
   * Ends after the calls on their way; what waits is sent after the next start. A call that hangs is cut: the row of its
   * message says that it may have been sent, and the next start looks for it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    clearInterval(this.#timer)
    const late = setTimeout(() => this.#cut.abort(), grace)
    await this.#turns.stop()
    clearTimeout(late)
  }

  /** Makes one call now, or never: what it shows is not needed later. */
  #show(row: MessageRow, call: () => Promise<unknown>): void {
    this.#turns.offer(row, 'progress', async () => {
      await call().then(
        () => this.#limiter.passed(),
        (error) => {
          this.#limiter.heed(row.chat_id, error)
          this.#log.debug({ outgoing: row.id, error }, 'progress not shown')
        },
      )
    })
  }

  /** Shows what other processes have left; what is newer than the text goes before it. */
  async #showLeft(): Promise<void> {
    for (const row of await this.#rows.progress(maxProgress)) {
      await this.#rows.takeProgress(row)
      if (row.progress !== null && row.sent_revision === row.revision) this.showProgress(row, row.progress)
    }
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
