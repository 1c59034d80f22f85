import { setTimeout as delay } from 'node:timers/promises'
import type { Update, UserFromGetMe } from 'telegraf/types'
import { type BotApi, describe, type Place, TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { placeOf } from './addressing.ts'
import type { Access } from './answering.ts'
import { TelegramApi } from './api.ts'
import type { Plan, Write } from './attempts.ts'
import { CallbackAnswers } from './callback-answers.ts'
import { texts } from './catalogue.ts'
import type { ClaimTable } from './claims.ts'
import type { Dispatcher } from './dispatcher.ts'
import { checkBotApiDir, TelegramFiles } from './files.ts'
import { languageOf } from './heard.ts'
import { menusOf } from './menu.ts'
import { ServerHelper } from './server-helper.ts'
import type { TelegramSettings } from './settings.ts'
import { withoutStartCode } from './start-code.ts'
import { UpdateRows } from './update-rows.ts'
import { fullAnswer, Updates } from './updates.ts'

/** Milliseconds between two tries to log in. */
const loginPause = 3000

/** Above the 500 s for which the server may leave a call without an answer before the bot's login is done. */
const loginTimeout = 510_000

const updateTypes = ['message', 'callback_query', 'my_chat_member']

/** Milliseconds within which Telegram answers a call that costs nothing. */
const probeTimeout = 15_000

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
  claims: ClaimTable
  users: Access
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
   * Logs in, waiting for the server as long as it takes, then has updates handled by who claims them until `signal` is
   * aborted; returns when the running handlers have ended.
   */
  async run({ claims, users, outbox, signal }: Work): Promise<void> {
    const me = await this.#login(signal)
    if (!me) return
    const { Dispatcher } = await import('./dispatcher.ts')
    const dispatcher = new Dispatcher({
      claims,
      users,
      username: me.username,
      post: (message) => outbox.post(message),
      answerPress: (id, text) => this.answerPress(id, text),
      log: this.#log,
    })
    const code = this.#startCode
    const updates = new Updates(
      {
        api: this.#api,
        database: this.#database,
        log: this.#log,
        plan: (update) => withChat(update, dispatcher.plan(update), outbox),
        conceal: (update) => (code === undefined ? update : withoutStartCode(update, code, me.username)),
        putAside: (update) => this.#tellPutAside(update, dispatcher, outbox),
        connected: (ok, detail) => this.#connected(ok, detail),
        seen: (updates) => this.#seen(updates, outbox),
        kept: (updates) => heard(updates, outbox),
      },
      updateTypes,
    )
    void this.#offer(claims, users, signal)
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
    return await new UpdateRows(this.id, this.#database).forget(limit)
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
  async #tellPutAside(update: Update, dispatcher: Dispatcher, outbox: UpdateOutbox): Promise<void> {
    if ('callback_query' in update) {
      const { id, from } = update.callback_query
      this.answerPress(id, texts.in(languageOf(from)).putAside)
    }
    if (!('message' in update) || !dispatcher.expectsAnswer(update.message)) return
    const { message } = update
    await outbox.post({ ...placeOf(message), text: texts.in(languageOf(message.from ?? {})).putAside })
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

  async #offer(claims: ClaimTable, users: Access, signal: AbortSignal): Promise<void> {
    try {
      for (const menu of menusOf(claims, await users.administrators())) {
        await this.#api.call('setMyCommands', menu, { signal }).catch((error) => {
          // An administrator who has never written to the bot has no chat with it.
          if (!(error instanceof TelegramRefusal) || error.code !== 400) throw error
          const level = menu.scope.chat_id === undefined ? 'warn' : 'debug'
          this.#log[level]({ error, scope: menu.scope }, 'a menu of commands is not set')
        })
      }
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ error }, 'the menu of commands is not set')
    }
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

/** In the same transaction, what an update tells of its chat comes first. */
function withChat(update: Update, plan: Plan, { chats }: UpdateOutbox): Plan {
  const after = (write: Write) => async () => {
    await chats.heard(update)
    await write()
  }
  if ('write' in plan) return { write: after(plan.write) }
  return { prepare: async (signal) => after(await plan.prepare(signal)) }
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
