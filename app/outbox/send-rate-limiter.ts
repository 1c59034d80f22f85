import { setTimeout as delay } from 'node:timers/promises'
import { TelegramRefusal } from '../core/bot-api.ts'
import { monotonicNow } from '../core/monotonic-time.ts'

/** So many calls in a row, and so many a second from then on. */
class Bucket {
  readonly #size: number
  readonly #perSecond: number
  #tokens: number
  #at = performance.now()

  constructor(size: number, perSecond: number) {
    this.#size = size
    this.#perSecond = perSecond
    this.#tokens = size
  }

  get tokens(): number {
    const now = performance.now()
    this.#tokens = Math.min(this.#size, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    return this.#tokens
  }

  get isFull(): boolean {
    return this.tokens >= this.#size
  }

  /** Milliseconds until it holds so many, rounded up: timers know whole ones only. */
  wait(tokens: number): number {
    return Math.max(0, Math.ceil(((tokens - this.tokens) / this.#perSecond) * 1000))
  }

  take(calls: number): void {
    this.#tokens = this.tokens - calls
  }
}

/** The times of the last calls, as many as can be in the way of another. */
class Window {
  readonly #length: number
  readonly #at: number[] = []

  /** @param length in milliseconds */
  constructor(length: number) {
    this.#length = length
  }

  /** Milliseconds until so many more calls make no more than `limit` within the window, rounded up. */
  wait(limit: number, more = 1): number {
    const since = performance.now() - this.#length
    while (Number(this.#at[0]) <= since) this.#at.shift()
    const inTheWay = this.#at[this.#at.length + more - 1 - limit]
    return inTheWay === undefined ? 0 : Math.ceil(inTheWay - since)
  }

  get isEmpty(): boolean {
    return this.wait(1) === 0
  }

  take(calls: number): void {
    this.#at.push(...Array(calls).fill(performance.now()))
  }
}

/** Milliseconds; a little more than they say, since calls that leave in time may be late on their way. */
const second = 1100
const minute = 61_000

/** What must arrive may use all that Telegram allows; what only shows progress leaves some of it. */
export type Weight = 'must' | 'progress'

/** Calls a second of a bot: together below 30, and progress leaves room for what must arrive. */
const botLimit = { must: 29, progress: 26 }

/** Calls a minute in a group, of each weight: progress leaves half of them. */
const groupLimit = { must: 20, progress: 10 }

/** What one chat may get: a short burst, then one call a second; of a group, no more than its limit a minute. */
class Chat {
  readonly #bucket = new Bucket(3, 1)
  readonly #minute: Window | undefined

  /** @param isGroup whether it is a group or a channel */
  constructor(isGroup: boolean) {
    this.#minute = isGroup ? new Window(minute) : undefined
  }

  wait(weight: Weight, messages: number): number {
    const wait = this.#minute?.wait(groupLimit[weight], messages) ?? 0
    return wait > 0 ? wait : this.#bucket.wait(weight === 'must' ? 1 : 2)
  }

  /** Whether nothing is lost when this is forgotten. */
  get isQuiet(): boolean {
    return this.#bucket.isFull && (this.#minute?.isEmpty ?? true)
  }

  take(messages: number): void {
    this.#bucket.take(messages)
    this.#minute?.take(messages)
  }
}

/** Chats in memory before the quiet ones are forgotten. */
const maxChats = 10_000

/**
 * Telegram's limits for what a bot sends (core.telegram.org/bots/faq#my-bot-is-hitting-limits): about 30 a second in
 * all, one a second in a chat with short bursts, 20 a minute in a group; and the waiting times that it asked for.
 */
export class SendRateLimiter {
  /** Counted, not a bucket: after a silence the links of one moment leave at once. */
  readonly #all = new Window(second)
  readonly #chats = new Map<number, Chat>()
  readonly #heldUntil = new Map<number, number>()
  #allHeldUntil = 0
  /** The chat for which Telegram asked to wait last; undefined since a call got through. */
  #refused: number | undefined

  /** Milliseconds to wait before a call for this chat may be made, which sends so many messages; 0 means now. */
  wait(chatId: number, weight: Weight, messages = 1): number {
    const held = Math.max(this.#heldUntil.get(chatId) ?? 0, this.#allHeldUntil) - monotonicNow()
    if (held > 0) return held
    this.#heldUntil.delete(chatId)
    return this.#all.wait(botLimit[weight], messages) || this.#chat(chatId).wait(weight, messages)
  }

  /** Milliseconds until any chat may be called; 0 means now. */
  get closedFor(): number {
    return this.#all.wait(botLimit.must)
  }

  /** Counts a call; one with an album is counted as so many, and what comes after it waits the longer. */
  take(chatId: number, messages = 1): void {
    this.#all.take(messages)
    this.#chat(chatId).take(messages)
  }

  /**
   * Waits until a call for this chat may be made, and counts it.
   * @throws AbortError
   */
  async turn(chatId: number, signal: AbortSignal, messages = 1): Promise<void> {
    const wait = () => this.wait(chatId, 'must', messages)
    for (let left = wait(); left > 0; left = wait()) await delay(left, undefined, { signal })
    this.take(chatId, messages)
  }

  /** Telegram wants to hear nothing for this chat for so many seconds. */
  hold(chatId: number, seconds: number): void {
    const until = Math.max(this.#heldUntil.get(chatId) ?? 0, monotonicNow() + seconds * 1000)
    this.#heldUntil.set(chatId, until)
  }

  /**
   * Keeps the wait that Telegram asks for, if this error is such a word of it. Telegram does not say whether it means the
   * chat or the bot: the chat, until another one is refused as well before any call got through.
   */
  heed(chatId: number, error: unknown): void {
    if (!(error instanceof TelegramRefusal) || error.retryAfter === undefined) return
    this.hold(chatId, error.retryAfter)
    if (this.#refused !== undefined && this.#refused !== chatId) {
      this.#allHeldUntil = Math.max(this.#allHeldUntil, monotonicNow() + error.retryAfter * 1000)
    }
    this.#refused = chatId
  }

  /** A call got through: the bot may speak. */
  passed(): void {
    this.#refused = undefined
  }

  #chat(chatId: number): Chat {
    const known = this.#chats.get(chatId)
    if (known) return known
    if (this.#chats.size >= maxChats) {
      for (const [id, chat] of this.#chats) if (chat.isQuiet) this.#chats.delete(id)
    }
    // Groups and channels have negative ids.
    const chat = new Chat(chatId < 0)
    this.#chats.set(chatId, chat)
    return chat
  }
}
