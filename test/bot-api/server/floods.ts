import { tooManyRequests } from './api-error.ts'

/** So many calls within so many milliseconds. */
type Limit = { calls: number; within: number }

/** About what Telegram lets a bot do (core.telegram.org/bots/faq#my-bot-is-hitting-limits); edits count as messages. */
const limits = {
  bot: { calls: 30, within: 1000 },
  privateChat: { calls: 40, within: 30_000 },
  group: { calls: 20, within: 60_000 },
}

/** Counts what bots say. Who goes beyond a limit waits until it is kept again, and is refused until then. */
export class Floods {
  readonly #calls = new Map<string, number[]>()
  readonly #heldUntil = new Map<string, number>()

  /** @param messages that the call sends: an album is as many as it has. Throws 429. */
  count(botId: number, method: string, chatId: number, messages = 1): void {
    if (!/^(send|edit|copy|forward)/i.test(method)) return
    for (let message = 0; message < messages; message++) {
      this.#count(`${botId}`, limits.bot)
      this.#count(`${botId} ${chatId}`, chatId > 0 ? limits.privateChat : limits.group)
    }
  }

  #count(key: string, { calls, within }: Limit): void {
    const now = Date.now()
    const held = (this.#heldUntil.get(key) ?? 0) - now
    if (held > 0) throw tooManyRequests(Math.ceil(held / 1000))
    const recent = (this.#calls.get(key) ?? []).filter((at) => at > now - within)
    this.#calls.set(key, recent)
    if (recent.length < calls) return void recent.push(now)
    const seconds = Math.max(3, Math.ceil(((recent[0] ?? now) + within - now) / 1000))
    this.#heldUntil.set(key, now + seconds * 1000)
    throw tooManyRequests(seconds)
  }
}
