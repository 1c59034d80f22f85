import { setTimeout as delay } from 'node:timers/promises'
import { TelegramRefusal } from './errors.ts'

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

  take(): void {
    this.#tokens = this.tokens - 1
  }
}

/** What must arrive may use all that Telegram allows; what only shows progress leaves some of it. */
export type Weight = 'must' | 'progress'

/** Chats in memory before the quiet ones are forgotten. */
const maxChats = 10_000

/**
 * Telegram's limits for what a bot sends (core.telegram.org/bots/faq#my-bot-is-hitting-limits): about 30 a second in
 * all, one a second in a chat with short bursts, 20 a minute in a group; and the waiting times that it asked for.
 */
export class Pace {
  readonly #all = new Bucket(25, 28)
  readonly #chats = new Map<number, Bucket>()
  readonly #heldUntil = new Map<number, number>()

  /** Milliseconds to wait before a call for this chat may be made; 0 means now. */
  wait(chatId: number, weight: Weight): number {
    const held = (this.#heldUntil.get(chatId) ?? 0) - Date.now()
    if (held > 0) return held
    this.#heldUntil.delete(chatId)
    const spare = weight === 'must' ? 1 : 2
    if (this.#all.tokens < (weight === 'must' ? 1 : 10)) return 50
    return this.#chat(chatId).tokens < spare ? 200 : 0
  }

  /** Whether any chat may be called now. */
  get isOpen(): boolean {
    return this.#all.tokens >= 1
  }

  /** Counts a call. */
  take(chatId: number): void {
    this.#all.take()
    this.#chat(chatId).take()
  }

  /**
   * Waits until a call for this chat may be made, and counts it.
   * @throws AbortError
   */
  async turn(chatId: number, signal: AbortSignal): Promise<void> {
    for (let wait = this.wait(chatId, 'must'); wait > 0; wait = this.wait(chatId, 'must')) {
      await delay(wait, undefined, { signal })
    }
    this.take(chatId)
  }

  /** Telegram wants to hear nothing for this chat for so many seconds. */
  hold(chatId: number, seconds: number): void {
    const until = Math.max(this.#heldUntil.get(chatId) ?? 0, Date.now() + seconds * 1000)
    this.#heldUntil.set(chatId, until)
  }

  /** Keeps the wait that Telegram asks for, if this error is such a word of it. */
  heed(chatId: number, error: unknown): void {
    if (error instanceof TelegramRefusal && error.retryAfter !== undefined)
      this.hold(chatId, error.retryAfter)
  }

  #chat(chatId: number): Bucket {
    const known = this.#chats.get(chatId)
    if (known) return known
    if (this.#chats.size >= maxChats) {
      for (const [id, bucket] of this.#chats) if (bucket.isFull) this.#chats.delete(id)
    }
    // Groups and channels have negative ids.
    const bucket = chatId < 0 ? new Bucket(5, 20 / 60) : new Bucket(3, 1)
    this.#chats.set(chatId, bucket)
    return bucket
  }
}
