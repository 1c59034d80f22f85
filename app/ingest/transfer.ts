import type { BotHouse } from '../house.ts'
import type { ClaimedJob, Job, JobKind } from '../jobs/index.ts'
import type { Links } from '../links/index.ts'
import { type Intake, SizeMismatch, TooLarge } from '../store/index.ts'
import { TelegramRefusal } from '../telegram/index.ts'
import { classify, NoRoom } from './failures.ts'
import { checkQuotas, checkRoom } from './room.ts'
import type { IngestSettings } from './settings.ts'
import { Speed } from './speed.ts'
import { done, failed, progress, retrying, waitingForRoom } from './texts.ts'

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

/** Milliseconds after which a job that waits for room looks again. */
const roomPause = 30_000

/** Contents that come from Telegram, by getFile. */
const fetchedContent = 'ingest'

/** Contents that are stored already: many at a time, and past those that wait for a transfer. */
const knownContent = { name: 'ingest-known', concurrency: 4 }

interface Taken {
  intake: Intake | 'known'
  /** The Bot API server's name for the bytes, no longer needed once the link is recorded. */
  leftover?: string
}

/** Which queue a file belongs to, and the room that it needs. */
export async function kindOf(links: Links, file: Payload): Promise<{ kind: string; size: number }> {
  const known = file.size !== undefined && (await links.withContent(file.fileUniqueId, file.size))
  return known ? { kind: knownContent.name, size: 0 } : { kind: fetchedContent, size: file.size ?? 0 }
}

/** The jobs that make a link of a Telegram file: one kind that fetches, one for what is stored already. */
export function transfers(house: BotHouse, settings: IngestSettings): JobKind[] {
  // The server serves the newest call first, so that of two large files one would starve: one at a time, usually.
  const fetched = {
    name: fetchedContent,
    concurrency: settings.FETCHES_PER_BOT,
    ready: async () => house.telegram.connected && !(await house.store.isLow()),
  }
  const known = { ...knownContent, ready: () => house.telegram.connected }
  return [fetched, known].map((kind) => ({
    ...kind,
    run: (job, signal) => transfer(house, settings, job, signal),

    judge(job, error) {
      const { errorType, passing } = classify(error)
      house.log.warn({ job_id: job.id, error_type: errorType, error }, 'transfer failed')
      const message = error instanceof Error ? error.message : String(error)
      if (error instanceof NoRoom) {
        return { errorType, message, passing, uncounted: true, retryAfter: roomPause }
      }
      const wait = error instanceof TelegramRefusal ? error.retryAfter : undefined
      return { errorType, message, passing, ...(wait !== undefined && { retryAfter: wait * 1000 }) }
    },

    async failed(job, error, retryIn) {
      const { statusMessage, ...file } = job.payload as Payload
      await house.telegram.messages.revise(statusMessage, failureText(job, file, error, retryIn))
    },
  }))
}

function failureText(job: Job, file: Omit<Payload, 'statusMessage'>, error: unknown, retryIn?: number) {
  const { reason, final } = classify(error)
  if (error instanceof NoRoom && retryIn !== undefined) return { text: waitingForRoom(file) }
  const keyboard = [[{ text: 'Retry', callback_data: `retry:${job.id}` }]]
  if (retryIn !== undefined) return { text: retrying(file, reason, retryIn / 1000), keyboard }
  return { text: failed(file, reason), topic: `job:${job.id}`, ...(!final && { keyboard }) }
}

async function transfer(
  house: BotHouse,
  settings: IngestSettings,
  job: ClaimedJob,
  signal: AbortSignal,
): Promise<void> {
  const { jobs, store, links, telegram, database } = house
  const payload = job.payload as Payload
  const began = performance.now()
  const taken = await take(house, settings, job, payload, signal)
  if (!taken) return
  const { intake, leftover } = taken

  const kept = await store.stat(payload.uuid)
  if (!kept) throw new Error('the file is gone from the store')
  const { size } = kept
  if (payload.size === undefined) {
    await checkQuotas(house, job.userId, size).catch(async (error) => {
      // Recorded by another worker, should this one have been taken for dead.
      if (!(await links.has(payload.uuid))) await store.remove(payload.uuid)
      if (leftover !== undefined) await telegram.files.discard(leftover)
      throw error
    })
  }
  const expiresAt = links.expiry()
  const { fileUniqueId, fileId, messageId, name, mimeType, uuid } = payload
  await database.transaction(async () => {
    // In one transaction with the end: each one of its own would wait for the disk.
    if (intake !== 'known') await jobs.events.record(job, 'DOWNLOAD_FINISHED', { intake, size })
    await jobs.events.record(job, 'OUTPUT_VALIDATED', { size, intake })
    const source = { botId: job.botId, fileId, chatId: job.chatId, messageId }
    await links.create({ uuid, userId: job.userId, name, mimeType, size, fileUniqueId, source, expiresAt })
    const isOurs = await jobs.transition(job.id, 'RUNNING', 'COMPLETED', {}, job.worker)
    if (!isOurs) throw new Error('the job is not ours any more')
    const seconds = (performance.now() - began) / 1000
    await jobs.events.record(job, 'JOB_COMPLETED', {
      size,
      intake,
      seconds: Number(seconds.toFixed(3)),
      bytes_per_second: Math.round(size / Math.max(seconds, 0.001)),
      total_seconds: Number(((Date.now() - job.createdAt) / 1000).toFixed(3)),
    })
    await telegram.messages.revise(payload.statusMessage, {
      text: done({ name, size }, links.urlOf(uuid, name), expiresAt),
      topic: `job:${job.id}`,
    })
  })
  if (leftover !== undefined) await telegram.files.discard(leftover)
}

/** Takes the content in; undefined when the job went to those that fetch. */
async function take(
  house: BotHouse,
  settings: IngestSettings,
  job: ClaimedJob,
  payload: Payload,
  signal: AbortSignal,
): Promise<Taken | undefined> {
  const { jobs, store, links } = house
  const { uuid, size, fileUniqueId } = payload
  if (size !== undefined) {
    // Linked before a crash, and not recorded.
    if ((await store.stat(uuid))?.size === size) {
      await store.settle(uuid)
      return { intake: 'known' }
    }
    const known = await links.withContent(fileUniqueId, size)
    if (known !== undefined && (await store.share(known, uuid))) return { intake: 'known' }
  }
  if (job.kind === knownContent.name) {
    // Fetched here, it would have no promise of room, and more transfers would run at once than may.
    const as = { kind: fetchedContent, size: size ?? 0 }
    const move = { reason: 'content gone', uncounted: true, as }
    await jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)
    return undefined
  }
  await checkRoom(house, size)
  await jobs.events.record(job, 'DOWNLOAD_STARTED', { size })
  try {
    return await download(house, settings, job, payload, signal)
  } catch (error) {
    // The local server says only that the file is unavailable when it has no room for it.
    if (!signal.aborted) await checkRoom(house, size)
    throw error
  }
}

async function download(
  { jobs, store, telegram }: BotHouse,
  { MAX_FILE_SIZE: limit }: IngestSettings,
  job: Job,
  payload: Payload,
  signal: AbortSignal,
): Promise<Taken> {
  const { uuid, size, fileId, statusMessage } = payload
  const speed = new Speed()
  const received = (bytes: number) => {
    jobs.load.progressed(job.id, bytes)
    const shown = { received: bytes, speed: speed.at(bytes) }
    telegram.messages.showProgress(statusMessage, () => progress(payload, shown))
  }
  const fetched = await telegram.files.fetch({ fileId, size }, received, signal)
  if ('stream' in fetched) {
    await store.receive(uuid, fetched.stream, { size, limit, received })
    return { intake: 'stream' }
  }
  try {
    return { intake: await store.keep(uuid, fetched.path, { size, limit }), leftover: fetched.path }
  } catch (error) {
    // The server would answer with the same wrong file again, and keep it for a day.
    if (error instanceof SizeMismatch || error instanceof TooLarge) await telegram.files.discard(fetched.path)
    throw error
  }
}
