import type { BotHouse } from '../house.ts'
import type { Job, JobKind } from '../jobs/index.ts'
import { type Intake, SizeMismatch, TooLarge } from '../store/index.ts'
import { TelegramRefusal } from '../telegram/index.ts'
import { classify } from './failures.ts'
import type { IngestSettings } from './settings.ts'
import { Speed } from './speed.ts'
import { done, failed, progress, retrying } from './texts.ts'

/** What a job keeps about its file. */
export interface Payload {
  /** The link that this job makes; chosen before anything is done, so that every step can be repeated. */
  uuid: string
  /** The message that shows how far it is. */
  statusMessage: number
  /** The sender's message. */
  messageId: number
  fileId: string
  fileUniqueId: string
  name: string
  mimeType: string
  size: number | undefined
}

/** Milliseconds before the second and the third attempt. */
const retryAfter = [5000, 30_000]

interface Taken {
  intake: Intake | 'known'
  /** The Bot API server's name for the bytes, no longer needed once the link is recorded. */
  leftover?: string
}

/** The job that makes a link of a Telegram file. */
export function transfers(house: BotHouse, settings: IngestSettings): JobKind {
  return {
    name: 'ingest',
    // The server serves the newest call first, so that of two large files one would starve.
    concurrency: 1,
    ready: () => house.telegram.connected,
    run: (job, signal) => transfer(house, settings, job, signal),

    judge(job, error) {
      const { errorType, passing } = classify(error)
      const message = error instanceof Error ? error.message : String(error)
      const wait = error instanceof TelegramRefusal ? error.retryAfter : undefined
      const retryIn = wait === undefined ? retryAfter[job.attempts - 1] : wait * 1000
      house.log.warn({ job_id: job.id, error_type: errorType, error }, 'transfer failed')
      return { errorType, message, ...(passing && retryIn !== undefined && { retryIn }) }
    },

    async failed(job, { errorType, retryIn }, error) {
      const { statusMessage, ...file } = job.payload as Payload
      const { reason } = classify(error)
      const text =
        retryIn === undefined ? failed(file, reason) : retrying(file, reason, Math.ceil(retryIn / 1000))
      const final = errorType === 'SIZE_LIMIT' || errorType === 'FILE_GONE'
      const keyboard = final ? {} : { keyboard: [[{ text: 'Retry', callback_data: `retry:${job.id}` }]] }
      await house.telegram.messages.revise(statusMessage, { text, ...keyboard })
    },
  }
}

async function transfer(
  house: BotHouse,
  settings: IngestSettings,
  job: Job,
  signal: AbortSignal,
): Promise<void> {
  const { jobs, store, links, telegram, database } = house
  const payload = job.payload as Payload
  const began = performance.now()
  const { intake, leftover } = await take(house, settings, job, payload, signal)

  const kept = await store.stat(payload.uuid)
  if (!kept) throw new Error('the file is gone from the store')
  const { size } = kept
  const expiresAt = links.expiry()
  const { fileUniqueId, fileId, messageId, name, mimeType, uuid } = payload
  await database.transaction(async () => {
    if (intake !== 'known') await jobs.record(job.id, 'DOWNLOAD_FINISHED', { intake, size })
    const source = { botId: job.botId, fileId, chatId: job.chatId, messageId }
    await links.create({ uuid, userId: job.userId, name, mimeType, size, fileUniqueId, source, expiresAt })
    if (!(await jobs.transition(job.id, 'RUNNING', 'COMPLETED')))
      throw new Error('the job is not ours any more')
    const ms = performance.now() - began
    await jobs.record(job.id, 'JOB_COMPLETED', {
      user_id: job.userId,
      chat_id: job.chatId,
      size,
      intake,
      seconds: Number((ms / 1000).toFixed(3)),
      bytes_per_second: Math.round(size / Math.max(ms / 1000, 0.001)),
      total_seconds: Number(((Date.now() - job.createdAt) / 1000).toFixed(3)),
    })
    await telegram.messages.revise(payload.statusMessage, {
      text: done({ name, size }, links.urlOf(uuid), expiresAt),
    })
  })
  if (leftover !== undefined) await telegram.files.discard(leftover)
}

async function take(
  { jobs, store, links, telegram }: BotHouse,
  { MAX_FILE_SIZE }: IngestSettings,
  job: Job,
  payload: Payload,
  signal: AbortSignal,
): Promise<Taken> {
  const { uuid, size, fileId, fileUniqueId, statusMessage } = payload
  if (size !== undefined) {
    const known = await links.withContent(fileUniqueId, size)
    if (known !== undefined && (await store.share(known, uuid))) return { intake: 'known' }
  }
  await jobs.record(job.id, 'DOWNLOAD_STARTED', { size })
  const speed = new Speed()
  const received = (bytes: number) => {
    const shown = { received: bytes, speed: speed.at(bytes) }
    telegram.messages.showProgress(statusMessage, () => progress(payload, shown))
  }
  const fetched = await telegram.files.fetch(fileId, received, signal)
  let intake: Intake = 'stream'
  if ('path' in fetched) {
    try {
      intake = await store.keep(uuid, fetched.path, { size, limit: MAX_FILE_SIZE })
    } catch (error) {
      // The server would answer with the same wrong file again, and keep it for a day.
      if (error instanceof SizeMismatch || error instanceof TooLarge)
        await telegram.files.discard(fetched.path)
      throw error
    }
  } else {
    await store.receive(uuid, fetched.stream, { size, limit: MAX_FILE_SIZE, received })
  }
  return { intake, ...('path' in fetched && { leftover: fetched.path }) }
}
