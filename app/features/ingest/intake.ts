import { randomUUID } from 'node:crypto'
import type { BotContext } from '../../context.ts'
import type { Place } from '../../core/bot-api.ts'
import { monotonicNow } from '../../core/monotonic-time.ts'
import { type Job, payloadOf } from '../../jobs/index.ts'
import type { Attachment } from '../../telegram/index.ts'
import { refusalOf } from './admission.ts'
import { fileLimits, fileTypeOf } from './kinds.ts'
import { filePayload } from './payload.ts'
import type { Refusals } from './refusals.ts'
import type { IngestSettings } from './settings.ts'
import { firstMessage, messageOf, type Status } from './status.ts'
import { notTaken, received, waitingForRoom } from './texts.ts'
import type { Waiting } from './waiting.ts'

/** A file that someone asks a link of. */
export interface Asked {
  userId: number
  /** Where the answer stands; its `replyTo` is the message that asks. */
  place: Place & { replyTo: number }
  /** The message that carries the file: the same one, or in a group the one that it answers. */
  messageId: number
  file: Attachment
}

interface Parts {
  context: BotContext
  settings: IngestSettings
  waiting: Waiting
  refusals: Refusals
  status: Status
}

/** Makes jobs of files, now or when the limits let them begin; what can never be is refused. */
export class Intake {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async receive({ userId, place, messageId, file }: Asked): Promise<void> {
    const { context, settings, waiting, refusals } = this.#parts
    const { telegram, outbox, jobs, links, store, log } = context
    const { chatId } = place
    const key = `ingest:${telegram.id}:${chatId}:${place.replyTo}`
    // The same message under another update id, as after a move to another Bot API server.
    if ((await jobs.idOf(key)) !== undefined) return
    const refusal = await refusalOf(context, settings, { userId, chatId }, file)
    if (refusal) {
      log.info(
        { user_id: userId, chat_id: chatId, size: file.size, reason: refusal.because },
        'file not taken',
      )
      return await refusals.add(userId, place, refusal)
    }
    const { fileId, fileUniqueId, name, mimeType, size } = file
    const dueAt = await this.#slotOf(userId, chatId)
    const hasWaited = dueAt > monotonicNow()
    const uuid = randomUUID()
    const text = (await store.isLow()) ? waitingForRoom(file) : received(file)
    const shown = hasWaited
      ? { hasWaited }
      : { statusMessage: await outbox.post(firstMessage(uuid, place, text)) }
    const payload = { uuid, ...shown, messageId, place, fileId, fileUniqueId, name, mimeType, size }
    const type = await fileTypeOf(links, settings, payload)
    const job = await jobs.create(type, { key, botId: telegram.id, userId, chatId, payload, dueAt })
    if (job !== undefined && hasWaited) await waiting.add(job, userId, place, dueAt)
  }

  /**
   * Makes a job of one that has failed, once. Returns its id, or undefined when that may not be.
   * @throws UnreadablePayload
   */
  async again(failed: Job): Promise<number | undefined> {
    const { context, settings, status } = this.#parts
    const { id, userId, chatId, botId } = failed
    const payload = payloadOf({ payload: filePayload }, failed)
    const refusal = await refusalOf(context, settings, { userId, chatId }, payload)
    if (refusal) {
      // The same file however often it is asked for: others are listed, this one has a message of its own.
      const message = { ...messageOf(failed), key: `not-again:${id}`, text: notTaken(refusal) }
      await context.outbox.post(message)
      return undefined
    }
    const dueAt = await this.#slotOf(userId, chatId)
    const type = await fileTypeOf(context.links, settings, payload)
    // The failed job is the history; a new one does the work, and its key allows one for each failure.
    const key = `retry:${id}`
    const made = await context.jobs.create(type, { key, botId, userId, chatId, payload, dueAt })
    const job = made === undefined ? undefined : await context.jobs.find(made)
    if (job) await status.tell(job, { text: received(payload, (dueAt - monotonicNow()) / 1000) })
    return made ?? (await context.jobs.idOf(key))
  }

  /** When one more file of a user may begin (`monotonicNow`). */
  async #slotOf(userId: number, chatId: number): Promise<number> {
    const { context, settings } = this.#parts
    const { kinds, rates } = fileLimits(settings)
    return await context.jobs.slots.next(kinds, rates({ userId, chatId }))
  }
}
