import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../core/log.ts'
import type { GrowingMessage, MessageRow, NewMessage, OutboxDatabase, Revision } from './message.ts'
import { MessageRows } from './message-rows.ts'

/** Milliseconds between two edits of one message that only show progress; Telegram limits edits per chat. */
const progressEvery = 3000

/** Milliseconds between two texts of a message that grows; in a group everybody's edits are counted together. */
const growsEvery = { private: 1200, group: 3000 }

/** Keys of which the last progress is remembered. */
const maxKeys = 10_000

/** What delivers the messages of one bot in this process. */
export interface LocalSender {
  readonly botId: number
  /** Looks for messages to send. */
  wake(): void
  /** Shows a text in a message that is sent, if that can be done now. */
  showProgress(row: MessageRow, text: string): void
}

/**
 * Messages that must arrive, as any role writes them: each is a row that holds what the chat must show. It needs no
 * token: the role that has the bot's calls brings Telegram there (`OutboxSender`), at once when it is this process and
 * within a second otherwise.
 */
export class Outbox {
  readonly #database: OutboxDatabase
  readonly #log: Log
  readonly #botId: number | undefined
  readonly #rows: MessageRows
  readonly #senders = new Map<number, LocalSender>()
  /** When a message last showed progress, by its key. */
  readonly #lastProgress = new Map<string, number>()

  /** @param botId the bot of messages that name none */
  constructor(database: OutboxDatabase, log: Log, botId?: number) {
    this.#database = database
    this.#log = log
    this.#botId = botId
    this.#rows = new MessageRows(database)
  }

  /** Has the sender of a bot in this process told of what there is to send. */
  attach(sender: LocalSender): void {
    this.#senders.set(sender.botId, sender)
  }

  /**
   * Writes a message, or what the one with its key must show from now on; it is sent after the caller's transaction.
   * Returns its id here, not Telegram's.
   */
  async post(message: NewMessage): Promise<number> {
    const botId = this.#botOf(message)
    const id = await this.#rows.write({ ...message, botId })
    if (message.key !== undefined) this.#lastProgress.delete(message.key)
    this.#wake(botId)
    return id
  }

  /** Changes what the chat must show; without effect when the message is forgotten. */
  async revise(id: number, revision: Revision): Promise<void> {
    const botId = await this.#rows.revise(id, revision)
    if (botId === undefined) {
      this.#log.warn({ outgoing: id, topic: revision.topic }, 'message is forgotten: its chat is not told')
      return
    }
    this.#wake(botId)
  }

  /**
   * Shows a text in the message with this key if that can be done now, and makes the message when there is none; the
   * next call will show something newer anyway.
   */
  showProgress(key: string, message: () => NewMessage & { text: string }): void {
    const isFirst = !this.#lastProgress.has(key)
    if (!this.#mayShow(key, progressEvery)) return
    this.#show({ ...message(), key }, isFirst).catch((error) =>
      this.#log.debug({ key, error }, 'progress not shown'),
    )
  }

  /**
   * Shows how far a message has grown: as a draft where the chat takes one, else as a message that is edited. Call it as
   * often as there is more; what comes too fast is left out, and what follows shows it. The last text is a `post` with
   * this key, which is delivered as any other; a text that comes after it is without effect.
   */
  async grow(message: GrowingMessage): Promise<void> {
    const { key, chatId } = message
    if (!this.#mayShow(key, chatId > 0 ? growsEvery.private : growsEvery.group)) return
    const botId = this.#botOf(message)
    await this.#rows.grow({ ...message, botId })
    this.#wake(botId)
  }

  /**
   * Takes a message out of its chat, or keeps it from being sent; without effect when there is none with this key.
   * Telegram deletes what is no older than two days.
   */
  async withdraw(key: string, botId = this.#botOf({})): Promise<void> {
    await this.#rows.withdraw(botId, key)
    this.#lastProgress.delete(key)
    this.#wake(botId)
  }

  /** Waits until Telegram has said yes or no to the message with this key, or until `ms` are over. */
  async tried(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + ms
    while (performance.now() < end && !signal.aborted) {
      const row = await this.#rows.findByKey(this.#botOf({}), key)
      if (!row || row.sent_revision > 0 || row.failure !== null || row.attempts > 0) return
      await delay(50, undefined, { signal }).catch(() => {})
    }
  }

  /**
   * Removes at most `limit` messages that were written before a moment (milliseconds since 1970) and wait for
   * nothing: Telegram has taken them, or never will. Returns how many; fewer than `limit` when no more are there.
   */
  async forget(before: number, limit: number): Promise<number> {
    await this.#rows.forgetClosedChats(before)
    return await this.#rows.forget(before, limit)
  }

  /** Moves the times of what waits by so many milliseconds: the clock was set. */
  async shiftTimes(by: number): Promise<void> {
    await this.#rows.shiftTimes(by)
  }

  async #show(message: NewMessage & { key: string; text: string }, isFirst: boolean): Promise<void> {
    const { key, text } = message
    const botId = this.#botOf(message)
    const row = await this.#rows.findByKey(botId, key)
    if (!row) {
      // What ends within moments needs no message before its last one.
      if (!isFirst && (await this.#rows.begin({ ...message, botId }))) this.#wake(botId)
      return
    }
    const isText = row.message_id !== null && row.delivered === null
    const isShown = row.sent_revision === row.revision && row.failure === null && isText
    if (!isShown) return
    const sender = this.#senders.get(botId)
    if (sender) sender.showProgress(row, text)
    else await this.#rows.leaveProgress(row.id, text)
  }

  /** Whether so long has passed since the last text of this message. */
  #mayShow(key: string, every: number): boolean {
    const now = performance.now()
    const last = this.#lastProgress.get(key)
    if (last !== undefined && now - last < every) return false
    this.#lastProgress.set(key, now)
    if (this.#lastProgress.size > maxKeys) {
      this.#lastProgress.delete(String(this.#lastProgress.keys().next().value))
    }
    return true
  }

  #wake(botId: number): void {
    const sender = this.#senders.get(botId)
    if (!sender) return
    if (this.#database.afterCommit) this.#database.afterCommit(() => sender.wake())
    else sender.wake()
  }

  #botOf({ botId = this.#botId }: { botId?: number | undefined }): number {
    if (botId === undefined) throw new Error('a message names no bot, and the outbox has none')
    return botId
  }
}
