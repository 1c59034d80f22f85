import { ApiError } from './api-error.ts'
import { Bot } from './bot.ts'
import type { ServerParts } from './parts.ts'

/** The bots this server speaks for; each begins with the first call that bears its token. */
export class Bots {
  readonly #server: ServerParts
  readonly #bots = new Map<string, Bot>()

  constructor(server: ServerParts) {
    this.#server = server
    server.cloud.onNews = (botId) => this.withId(botId)?.hearNews()
  }

  /** Bots with a webhook are brought back at the start; the others wait for a call. */
  restore(): void {
    for (const { token } of this.#server.queue.webhooks()) this.withToken(token)
  }

  /** Throws 401 on a token of the wrong form and 421 on one that `--filter` leaves out. */
  withToken(token: string): Bot {
    const id = botIdOf(token)
    const { filter } = this.#server.options
    if (filter && id % filter.modulo !== filter.remainder) {
      throw new ApiError(421, 'Misdirected Request: unallowed token specified')
    }
    let bot = this.#bots.get(token)
    if (!bot || bot.isForgettable) {
      bot = new Bot(this.#server, id, token)
      this.#bots.set(token, bot)
    }
    return bot
  }

  withId(id: number): Bot | undefined {
    const sameId = [...this.#bots.values()].filter((bot) => bot.id === id)
    return sameId.find((bot) => bot.isReady) ?? sameId[0]
  }

  all(): Bot[] {
    return [...this.#bots.values()]
  }

  /** Lets the next call try a new login without the half hour that this takes otherwise. */
  forgetClosed(): void {
    for (const [token, bot] of this.#bots) if (bot.isClosed) this.#bots.delete(token)
  }

  /** Ends a bot's session from Telegram's side. */
  async logOut(botId: number, code: number, description: string): Promise<void> {
    const ofThisBot = this.all().filter((bot) => bot.id === botId)
    await Promise.all(ofThisBot.map((bot) => bot.logOut(() => new ApiError(code, description))))
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((bot) => bot.close()))
  }
}

function botIdOf(token: string): number {
  const match = /^([1-9]\d{0,15}):[A-Za-z0-9_-]{3,64}$/.exec(token)
  if (!match) throw new ApiError(401, 'Unauthorized: invalid token specified')
  return Number(match[1])
}
