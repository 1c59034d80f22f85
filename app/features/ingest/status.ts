import type { BotContext } from '../../context.ts'
import type { Place } from '../../core/bot-api.ts'
import type { ClaimedJob, Job } from '../../jobs/index.ts'
import type { NewMessage, Revision } from '../../outbox/index.ts'
import { type Payload, readPayload } from './payload.ts'
import type { Waiting } from './waiting.ts'

/** Milliseconds that a transfer waits for the first word about its file to arrive. */
const firstWord = 5000

/** Bytes up to which a file is fetched without that: it is there before Telegram has answered. */
const small = 20_000_000

/** The chat refuses whatever the bot says there: nobody would hear of the file. */
export class ChatClosed extends Error {
  override name = 'ChatClosed'
}

/** What a chat is told of its files: each has one message, made when there is something to say. */
export class Status {
  readonly #context: BotContext
  readonly #waiting: Waiting

  constructor(context: BotContext, waiting: Waiting) {
    this.#context = context
    this.#waiting = waiting
  }

  /** Has the chat show a text about a job. Call it in the transaction in which the job begins, waits or ends. */
  async tell(job: Job, revision: Revision): Promise<void> {
    const { outbox } = this.#context
    const payload = readPayload(job)
    // Of a job that cannot be read, nobody knows whether it has waited.
    if (payload?.hasWaited ?? !payload) await this.#waiting.leave(job.id)
    const { statusMessage, place } = payload ?? {}
    if (place || statusMessage === undefined)
      await outbox.post({ botId: job.botId, ...messageOf(job), ...revision })
    else await outbox.revise(statusMessage, revision)
  }

  /** Shows how far a job is, if that can be done now. */
  showProgress(job: Job, text: () => string): void {
    const { key, ...place } = messageOf(job)
    this.#context.outbox.showProgress(key, () => ({ ...place, text: text() }))
  }

  /**
   * A transfer is about to begin.
   * @throws ChatClosed when it would be for nobody
   */
  async begin(job: ClaimedJob<Payload>, signal: AbortSignal): Promise<void> {
    const { database, outbox, sender } = this.#context
    const { size, hasWaited } = job.payload
    if (hasWaited) await database.transaction(() => this.#waiting.leave(job.id))
    if ((size ?? 0) > small) await outbox.tried(messageOf(job).key, firstWord, signal)
    if (await sender.chats.isClosed(job.chatId)) throw new ChatClosed()
  }
}

/** Where the message of a job stands, and its key. */
export function messageOf(job: Job): Place & { key: string } {
  const payload = readPayload(job)
  // The chat may have been told of the file already.
  if (!payload) return { key: `file:${job.subject ?? `of job ${job.id}`}`, chatId: job.chatId }
  const { uuid, messageId, place } = payload
  const key = `file:${uuid}`
  if (!place) return { key, chatId: job.chatId, replyTo: messageId }
  // In a group that has become a supergroup the message that asked has another id.
  return place.chatId === job.chatId ? { key, ...place } : { key, chatId: job.chatId }
}

/** The message of a file that has just come. */
export function firstMessage(uuid: string, place: Place, text: string): NewMessage {
  return { ...place, key: `file:${uuid}`, text }
}
