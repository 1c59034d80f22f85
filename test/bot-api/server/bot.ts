import type { FeedEntry } from '../cloud/records.ts'
import { ApiError, restarting, tooManyRequests } from './api-error.ts'
import { BotFolder } from './bot-folder.ts'
import { scheduleDeletion } from './delete-old-files.ts'
import { Downloads } from './downloads.ts'
import { FloodWait } from './flood-wait.ts'
import { LongPoll } from './long-poll.ts'
import type { ServerParts } from './parts.ts'
import { renderUpdate } from './render.ts'
import { WebhookDelivery } from './webhook-delivery.ts'

const DAY_MS = 24 * 3600 * 1000

/** A bot that was logged out or closed keeps saying so for this long. */
const KEEP_CLOSED_MS = 1_800_000

/** Not sent unless asked for by name. */
const RARE_UPDATES = ['chat_member', 'message_reaction', 'message_reaction_count']

type State = { name: 'login' } | { name: 'ready' } | { name: 'closed'; at: number; error: () => ApiError }

/** One bot that this server speaks for, from its first call until it is logged out or the server stops. */
export class Bot {
  readonly id: number
  readonly token: string
  readonly server: ServerParts
  readonly folder: BotFolder
  readonly downloads: Downloads
  readonly longPoll: LongPoll
  readonly webhook: WebhookDelivery
  readonly startedAt = Date.now()
  readonly floodWait = new FloodWait()
  /** Empty = all but the rare ones. */
  allowedUpdates: string[] = []
  #state: State = { name: 'login' }
  readonly #loggedIn: Promise<void>
  readonly #calls = new Set<(error: ApiError) => void>()
  readonly #stopDeletion: () => void

  constructor(server: ServerParts, id: number, token: string) {
    this.id = id
    this.token = token
    this.server = server
    this.folder = new BotFolder(server.options.dir, token)
    this.downloads = new Downloads(server, this.folder)
    this.longPoll = new LongPoll(id, server.queue)
    this.webhook = new WebhookDelivery(id, server.queue, server.log)
    this.#stopDeletion = scheduleDeletion(this.folder.path)
    this.folder.open()
    this.#loggedIn = this.#login()
    this.#loggedIn.catch(() => {})
  }

  get isReady(): boolean {
    return this.#state.name === 'ready'
  }

  get isClosed(): boolean {
    return this.#state.name === 'closed'
  }

  /** True once a closed bot may begin anew with its next call. */
  get isForgettable(): boolean {
    return this.#state.name === 'closed' && Date.now() - this.#state.at > KEEP_CLOSED_MS
  }

  /** Carries out a call once the bot is logged in. Rejects with what closes the bot, if that comes first. */
  call<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#state.name === 'closed') return reject(this.#state.error())
      this.#calls.add(reject)
      this.#loggedIn
        .then(work)
        .then(resolve, reject)
        .finally(() => this.#calls.delete(reject))
    })
  }

  /**
   * Queues what happened since the last time, and hands it to whoever waits. On a full disk the news stay in
   * the cloud, and the next call of this takes them too.
   */
  hearNews(): void {
    if (this.#state.name !== 'ready' || !this.server.settings.now.is_connected) return
    try {
      this.#queueNews()
    } catch (error) {
      this.server.log(1, `Updates of bot ${this.id} cannot be queued: ${error}`)
    }
  }

  #queueNews(): void {
    const { cloud, queue } = this.server
    const account = cloud.bot(this.id)
    const seen = queue.seen(this.id)
    const entries = account.feed.filter((entry) => entry.seq > seen)
    const last = entries.at(-1)
    if (!last) return
    const news = entries
      .filter((entry) => this.#isWanted(entry))
      .map((entry) => ({ chatId: entry.chat_id, at: entry.at, update: renderUpdate(cloud, account, entry) }))
      .filter((item): item is typeof item & { update: object } => item.update !== undefined)
    queue.push(this.id, last.seq, news)
    account.feed.length = 0
    this.longPoll.wake()
    this.webhook.wake()
  }

  /** Ends the session for good: the folder and the pending updates are gone. */
  async logOut(error: () => ApiError): Promise<void> {
    await this.close(error)
    this.server.queue.clear(this.id)
    this.server.queue.deleteWebhook(this.id)
    this.folder.remove()
  }

  /** Answers every waiting call, and from now on every new one, with this error. */
  async close(error: () => ApiError = restarting): Promise<void> {
    if (this.#state.name === 'closed') return
    this.#state = { name: 'closed', at: Date.now(), error }
    this.server.settings.wake()
    this.#stopDeletion()
    this.webhook.stop()
    for (const reject of [...this.#calls]) reject(error())
    await this.downloads.close(error())
  }

  async #login(): Promise<void> {
    const { settings, cloud, queue } = this.server
    for (;;) {
      const wait = this.startedAt + settings.now.login_delay_ms - Date.now()
      if (wait <= 0 || this.#state.name === 'closed') break
      await settings.pause(wait)
    }
    if (this.#state.name === 'closed') throw this.#state.error()
    const refusal = settings.now.login_error
    if (refusal) return this.#refuse(loginRefusal(refusal))
    if (!cloud.admits(this.id, this.token)) return this.#refuse(() => new ApiError(401, 'Unauthorized'))
    this.folder.authorize(Date.now())
    this.#state = { name: 'ready' }
    const hook = queue.webhooks().find(({ bot_id }) => bot_id === this.id)
    if (hook) {
      this.allowedUpdates = JSON.parse(hook.allowed_updates)
      this.webhook.start(hook)
    }
    this.hearNews()
  }

  async #refuse(error: () => ApiError): Promise<never> {
    await this.logOut(error)
    throw error()
  }

  #isWanted({ at, chat_id: chatId, update }: FeedEntry): boolean {
    if (at < Date.now() - DAY_MS) return false
    // What was posted in a group or channel before this session began is lost.
    if (chatId < 0 && at < this.folder.authorizedAt) return false
    if (this.allowedUpdates.length === 0) return !RARE_UPDATES.includes(update.type)
    return this.allowedUpdates.includes(update.type)
  }
}

function loginRefusal(refusal: { error_code: number; description: string; retry_after?: number }) {
  const { error_code: code, description, retry_after: seconds } = refusal
  if (seconds === undefined) return () => new ApiError(code, description)
  const until = Date.now() + seconds * 1000
  return () => tooManyRequests(Math.max(1, Math.ceil((until - Date.now()) / 1000)))
}
