import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Log } from './log.ts'
import type { QueuedUpdate, UpdateQueue, Webhook } from './update-queue.ts'

const CALL_TIMEOUT_MS = 60_000
const FIRST_RETRY_MS = 1000
const MAX_RETRY_MS = 600_000

/** Posts a bot's pending updates to its webhook: one after another within a chat, chats side by side. */
export class WebhookDelivery {
  readonly #botId: number
  readonly #queue: UpdateQueue
  readonly #log: Log
  #hook: Webhook | undefined
  readonly #busyChats = new Set<number>()
  readonly #retries = new Map<number, number>()
  lastError: { at: number; text: string } | undefined

  constructor(botId: number, queue: UpdateQueue, log: Log) {
    this.#botId = botId
    this.#queue = queue
    this.#log = log
  }

  get hook(): Webhook | undefined {
    return this.#hook
  }

  start(hook: Webhook): void {
    this.#hook = hook
    this.wake()
  }

  stop(): void {
    this.#hook = undefined
  }

  wake(): void {
    const hook = this.#hook
    if (!hook) return
    for (const queued of this.#queue.pending(this.#botId, 0, 1000)) {
      if (this.#busyChats.size >= hook.max_connections) return
      if (!this.#busyChats.has(queued.chatId)) void this.#deliver(hook, queued)
    }
  }

  async #deliver(hook: Webhook, queued: QueuedUpdate): Promise<void> {
    this.#busyChats.add(queued.chatId)
    const failure = await post(hook, queued.update)
    const isCurrent = this.#hook?.url === hook.url
    if (isCurrent && failure === undefined) {
      this.#queue.remove(this.#botId, queued.updateId)
      this.#retries.delete(queued.updateId)
    }
    if (isCurrent && failure !== undefined) {
      this.lastError = { at: Date.now(), text: failure }
      this.#log(2, `Webhook of bot ${this.#botId}: ${failure}`)
      const tries = this.#retries.get(queued.updateId) ?? 0
      this.#retries.set(queued.updateId, tries + 1)
      const wait = Math.min(FIRST_RETRY_MS * 2 ** tries, MAX_RETRY_MS)
      await new Promise((resolve) => setTimeout(resolve, wait).unref())
    }
    this.#busyChats.delete(queued.chatId)
    this.wake()
  }
}

/** Undefined when the update was taken, else why not. */
function post(hook: Webhook, update: object): Promise<string | undefined> {
  const body = JSON.stringify(update)
  const request = hook.url.startsWith('https:') ? requestHttps : requestHttp
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (hook.secret_token) headers['x-telegram-bot-api-secret-token'] = hook.secret_token
  return new Promise((resolve) => {
    const outgoing = request(hook.url, { method: 'POST', headers, timeout: CALL_TIMEOUT_MS }, (response) => {
      const status = response.statusCode ?? 0
      response.resume()
      response.on('end', () => resolve(status >= 200 && status < 300 ? undefined : wrongResponse(status)))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('Read timeout expired')))
    outgoing.on('error', (error) => resolve(error.message))
    outgoing.end(body)
  })
}

function wrongResponse(status: number): string {
  return `Wrong response from the webhook: ${status}`
}
