import { setTimeout as delay } from 'node:timers/promises'
import type { Composer, Context } from 'telegraf'
import type { Update, UserFromGetMe } from 'telegraf/types'
import { type BotApi, describe, type Place, TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { askedOf, placeOf, writerOf } from './addressing.ts'
import { TelegramApi } from './api.ts'
import { CallbackAnswers } from './callback-answers.ts'
import { checkBotApiDir, TelegramFiles } from './files.ts'
import { ServerHelper } from './server-helper.ts'
import type { TelegramSettings } from './settings.ts'
import { withoutStartCode } from './start-code.ts'
import { fullAnswer, Updates } from './updates.ts'

/** Milliseconds between two tries to log in. */
const loginPause = 3000

/** Above the 500 s for which the server may leave a call without an answer before the bot's login is done. */
const loginTimeout = 510_000

const updateTypes = ['message', 'callback_query', 'my_chat_member']

/** For the sender of an update that cannot be handled. */
const putAside =
  'Something went wrong on the server, and this was not handled; its owner finds the cause in the log. ' +
  'Please try again later.'

/** Milliseconds for which updates that were put aside are kept. */
const asideFor = 30 * 86_400_000
/** Milliseconds within which Telegram answers a call that costs nothing. */
const probeTimeout = 15_000

/** A command as Telegram's menu shows it. */
export interface Command {
  command: string
  description: string
}

/**
 * Says something at once, without the database that sees to it that messages arrive. Returns the chats for which there
 * was no answer yet.
 */
export async function sayNow(
  settings: TelegramSettings,
  chats: number[],
  text: string,
  signal: AbortSignal,
): Promise<number[]> {
  const api = new TelegramApi(settings.TELEGRAM_API_URL, settings.TELEGRAM_BOT_TOKEN)
  const left: number[] = []
  for (const chat_id of chats) {
    await api.call('sendMessage', { chat_id, text }, { timeout: probeTimeout, signal }).catch((error) => {
      const isRefused = error instanceof TelegramRefusal && (error.code === 400 || error.code === 403)
      if (!isRefused) left.push(chat_id)
    })
  }
  api.close()
  return left
}

/** What the outbox has to know of updates, and the words that it delivers for them. */
interface UpdateOutbox {
  chats: { heard(update: Update): Promise<void> }
  /** Notes the id of someone else's message. */
  heard(chatId: number, messageId: number): void
  /** Called when the newest ids are known. */
  start(): void
  post(message: Place & { text: string }): Promise<unknown>
}

/** What to do with updates. */
interface Work {
  handlers: Composer<Context>
  commands: Command[]
  outbox: UpdateOutbox
  signal: AbortSignal
}

/** One bot: its login, its updates and its files. */
export class TelegramBot implements AsyncDisposable {
  readonly files: TelegramFiles
  readonly #api: TelegramApi
  readonly #helper: ServerHelper | undefined
  readonly #settings: TelegramSettings
  readonly #startCode: string | undefined
  readonly #database: Database
  readonly #health: Health
  readonly #log: Log
  readonly #callbackAnswers: CallbackAnswers
  #state: string | undefined
  #fullAnswers = 0

  /** @param parts.startCode the secret of a start link: told to handlers by `givesStartCode`, and kept nowhere */
  constructor(parts: {
    settings: TelegramSettings
    startCode?: string | undefined
    database: Database
    health: Health
    log: Log
  }) {
    this.#settings = parts.settings
    this.#startCode = parts.startCode
    this.#database = parts.database
    this.#health = parts.health
    this.#log = parts.log
    const { TELEGRAM_API_URL, TELEGRAM_BOT_TOKEN, BOT_API_DIR, BOT_API_HELPER } = parts.settings
    this.#helper = BOT_API_HELPER === undefined ? undefined : new ServerHelper(BOT_API_HELPER)
    this.#api = new TelegramApi(TELEGRAM_API_URL, TELEGRAM_BOT_TOKEN, this.#helper)
    this.files = new TelegramFiles(this.#api, BOT_API_DIR, this.#helper)
    this.#callbackAnswers = new CallbackAnswers(this.#api, parts.log)
  }

  get id(): number {
    return this.#api.botId
  }

  /** For whoever delivers messages. */
  get api(): BotApi {
    return this.#api
  }

  /** Whether the server answered last time. */
  get connected(): boolean {
    return this.#state === ''
  }

  /** @throws StartError when BOT_API_DIR is not there */
  async check(): Promise<void> {
    await checkBotApiDir(this.#settings.BOT_API_DIR)
  }

  /**
   * Logs in, waiting for the server as long as it takes, then serves updates with `handlers` until `signal` is
   * aborted; returns when the running handler has ended.
   */
  async run({ handlers, commands, outbox, signal }: Work): Promise<void> {
    const me = await this.#login(signal)
    if (!me) return
    const { createBot } = await import('./bot.ts')
    const bot = createBot(this.#api, me)
    bot.use(handlers)
    // Until a press is answered, Telegram shows that something goes on.
    bot.on('callback_query', (ctx) =>
      this.answerPress(ctx.callbackQuery.id, 'This button has no use any more.'),
    )
    const code = this.#startCode
    const updates = new Updates(
      {
        api: this.#api,
        database: this.#database,
        log: this.#log,
        handle: async (update) => {
          await outbox.chats.heard(update)
          await bot.handleUpdate(update)
        },
        conceal: (update) => (code === undefined ? update : withoutStartCode(update, code, me.username)),
        putAside: (update) => this.#tellPutAside(update, me, outbox),
        connected: (ok, detail) => this.#connected(ok, detail),
        seen: (updates) => this.#seen(updates, outbox),
        kept: (updates) => heard(updates, outbox),
      },
      updateTypes,
    )
    void this.#offer(commands, signal)
    await updates.run(signal)
  }

  /** Logs in for jobs alone, while another process serves the updates; waits for the server as long as it takes. */
  async standBy(signal: AbortSignal): Promise<void> {
    await this.#login(signal)
  }

  /**
   * Asks something that Telegram itself answers: the local server answers getMe and getUpdates from its memory, also
   * while it has no connection.
   * @throws TelegramRefusal, TelegramUnreachable
   */
  async probe(signal: AbortSignal): Promise<void> {
    await this.#api.call('getMyCommands', {}, { timeout: probeTimeout, signal })
  }

  /** Answers the press of a button, after the caller's transaction; Telegram shows `text` for a moment. */
  answerPress(callbackQueryId: string, text: string): void {
    this.#database.afterCommit(() => this.#callbackAnswers.answer(callbackQueryId, text))
  }

  /**
   * Removes at most `limit` handled updates that Telegram can no longer repeat: it does so for 24 h. Those that were put
   * aside stay longer. Returns how many.
   */
  async forgetHandled(limit: number): Promise<number> {
    const rows = await this.#database.query(
      `DELETE FROM updates WHERE (bot_id, update_id) IN (
         SELECT bot_id, update_id FROM updates WHERE handled_at < $1 AND (body = '' OR handled_at < $2) LIMIT $3
       ) RETURNING update_id`,
      Date.now() - 48 * 3_600_000,
      Date.now() - asideFor,
      limit,
    )
    return rows.length
  }

  /** Resolves when no call is under way that should have ended: an outage of Telegram is no hang, such a call is. */
  async comesRound(): Promise<void> {
    await this.#api.comesRound()
  }

  /** Reports to /health whether the server answers; called at intervals by the bot role. */
  async reportHealth(): Promise<void> {
    const ok = this.#state === ''
    const detail = ok ? 'logged in' : (this.#state ?? 'waiting for its first answer')
    await this.#health.report('bot_api', { ok, detail })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#api.close()
    this.#helper?.close()
    await this.#health.report('bot_api', { ok: false, detail: 'the bot role has stopped' })
  }

  /** In a group only who spoke to the bot hears of it. */
  async #tellPutAside(update: Update, me: UserFromGetMe, outbox: UpdateOutbox): Promise<void> {
    if ('callback_query' in update) this.answerPress(update.callback_query.id, putAside)
    if (!('message' in update)) return
    const { message } = update
    const isHeard = message.chat.type === 'private' || askedOf(message, me.username).isForUs
    if (isHeard && writerOf(message) === 'person') {
      await outbox.post({ ...placeOf(message), text: putAside })
    }
  }

  async #login(signal: AbortSignal): Promise<UserFromGetMe | undefined> {
    while (!signal.aborted) {
      try {
        const me = await this.#api.call<UserFromGetMe>('getMe', {}, { timeout: loginTimeout, signal })
        this.#connected(true, 'logged in')
        return me
      } catch (error) {
        if (signal.aborted) break
        if (!(error instanceof TelegramRefusal || error instanceof TelegramUnreachable)) throw error
        this.#connected(false, describe(error))
        const wait = error instanceof TelegramRefusal ? error.retryAfter : undefined
        const pause = wait === undefined ? loginPause : wait * 1000
        await delay(pause, undefined, { signal }).catch(() => {})
      }
    }
    return undefined
  }

  async #offer(commands: Command[], signal: AbortSignal): Promise<void> {
    await this.#api.call('setMyCommands', { commands }, { signal }).catch((error) => {
      if (!signal.aborted) this.#log.warn({ error }, 'the menu of commands is not set')
    })
  }

  /** Messages begin when the newest ids are known: by them it finds one that was on its way in a crash. */
  #seen(updates: Update[], outbox: UpdateOutbox): void {
    heard(updates, outbox)
    // A full answer has more behind it; a stream without end must not hold the messages back for ever.
    if (updates.length < fullAnswer || ++this.#fullAnswers > 50) outbox.start()
  }

  /** Says a change of state once, however often it is seen: an outage has several faces while it lasts. */
  #connected(ok: boolean, detail: string): void {
    const state = ok ? '' : detail
    if (state === this.#state) return
    const wasAway = isAway(this.#state)
    this.#state = state
    if (ok) this.#log.info({ bot_id: this.#api.botId }, 'Bot API server: logged in')
    else if (wasAway && isAway(state)) this.#log.debug({ reason: detail }, 'Bot API server: still away')
    else this.#log.warn({ bot_id: this.#api.botId, reason: detail }, 'Bot API server: waiting for it')
    this.reportHealth().catch((error) => this.#log.error({ error }, 'health not recorded'))
  }
}

function heard(updates: Update[], outbox: UpdateOutbox): void {
  for (const update of updates) {
    if ('message' in update) outbox.heard(update.message.chat.id, update.message.message_id)
  }
}

/** Whether a state says that the server is down or just starting, and not that someone has to mend something. */
function isAway(state: string | undefined): boolean {
  return state?.startsWith('not reachable') || state?.startsWith('refused (5') || false
}
