export interface CallOptions {
  /** Milliseconds for the whole call. */
  timeout?: number
  signal?: AbortSignal
}

/** Calls of one bot (core.telegram.org/bots/api#making-requests). Its errors are the two below, never with the token. */
export interface BotApi {
  readonly botId: number
  /** @throws TelegramRefusal, TelegramUnreachable */
  call<T>(method: string, payload?: object, options?: CallOptions): Promise<T>
}

/** Where a message stands. */
export interface Place {
  chatId: number
  /** The topic of a group. */
  threadId?: number | undefined
  /** The message it answers; it is sent as well when that one is gone. */
  replyTo?: number | undefined
}

/** What Telegram adds to a refusal (core.telegram.org/bots/api#responseparameters). */
export interface RefusalParameters {
  retry_after?: number
  migrate_to_chat_id?: number
}

/** The Bot API server answered, and said no. */
export class TelegramRefusal extends Error {
  override name = 'TelegramRefusal'
  readonly method: string
  /** Telegram's `error_code`, or the HTTP status of an answer that is not Telegram's. */
  readonly code: number
  readonly description: string
  /** Seconds to wait before this call may be made again. */
  readonly retryAfter: number | undefined
  /** The id that a group has since it became a supergroup. */
  readonly migrateTo: number | undefined

  constructor(method: string, code: number, description: string, parameters: RefusalParameters = {}) {
    super(`${method}: ${code} ${description}`)
    this.method = method
    this.code = code
    this.description = description
    this.retryAfter = waitOf(parameters.retry_after)
    this.migrateTo = parameters.migrate_to_chat_id
  }
}

/** Nobody is asked again at once, nor never: a timer of more than 24 days ends at once, too. */
function waitOf(seconds: unknown): number | undefined {
  return typeof seconds === 'number' ? Math.min(Math.max(seconds, 1), 86_400) : undefined
}

/** No answer of the Bot API server: it is down, silent, or hung up. */
export class TelegramUnreachable extends Error {
  override name = 'TelegramUnreachable'
  readonly method: string
  /**
   * A system error's code (`ECONNREFUSED`), or `TIMEOUT`, `STOPPED` (by us), `CUT` (by the server), `NOT_BOT_API_<status>`,
   * `OTHER_USER` (another user's program in the server's place), `NO_LENGTH`.
   */
  readonly code: string

  constructor(method: string, code: string) {
    super(`${method}: no answer (${code})`)
    this.method = method
    this.code = code
  }
}

/** One clause about why the server is of no use now, for the log and /health. */
export function describe(error: TelegramRefusal | TelegramUnreachable): string {
  if (error instanceof TelegramUnreachable) {
    if (error.code === 'OTHER_USER')
      return 'a program of another user listens in the place of the Bot API server'
    return `not reachable (${error.code})`
  }
  if (error.code === 401 || error.code === 404) return 'the bot token is refused by Telegram'
  if (error.code === 421) return 'the Bot API server is set up for another bot'
  if (error.code === 409 && /webhook is active/.test(error.description)) {
    return 'its updates go to a webhook, which the call deleteWebhook would remove'
  }
  if (error.code === 409) return 'another program takes the updates of this bot'
  return `refused (${error.code} ${error.description})`
}
