import type { BotContext } from '../../context.ts'
import { TelegramRefusal } from '../../core/bot-api.ts'
import { codeOf } from '../../core/errors.ts'
import type { ClaimedJob, Elsewhere, Job, JobEvent, JobKind } from '../../jobs/index.ts'
import { type Intake, SizeMismatch, TooLarge } from '../../store/index.ts'
import { fileEvents } from './events.ts'
import { classify, machineProblem, OverQuota, stalledForGood } from './failures.ts'
import { FetchTurns, type Turn } from './fetch-turns.ts'
import { type FileType, fetchTypeOf, knownFile, largeFile, smallFile } from './kinds.ts'
import { type filePayload, type Payload, readPayload } from './payload.ts'
import { checkQuotas, checkRoom } from './room.ts'
import type { IngestSettings } from './settings.ts'
import { Speed } from './speed.ts'
import type { Status } from './status.ts'
import { done, failed, progress, retrying, unreadable, waitingForRoom } from './texts.ts'

const minute = 60_000

/** Milliseconds after which a job that waits for room looks again. */
const roomPause = 30_000

/** Milliseconds for a flood wait whose length Telegram left out. */
const floodPause = 5000

/** Seconds before a file of which nothing came is asked for again; Telegram may be at it for hours. */
const stallDelays = [60, 120, 300, 900, 1800, 3600, 3600, 3600, 3600, 3600]

/** Small files that may be fetched at a time: one, and as many as pass by those of which nothing comes. */
const smallPlaces = 6

/** Milliseconds without a move among files that wait, before /health says so. */
const stuckAfter = 5 * minute

/** The part of STALL_SECONDS after which a small file of which nothing comes holds back the next one no longer. */
const passedBy = 1 / 18

/** The part after which a small one is put off: until then as many others pass it by as there are places for. */
const putOff = passedBy * smallPlaces

type FileKind = JobKind<typeof filePayload>
type FileJob = ClaimedJob<Payload>

interface Taken {
  intake: Intake | 'known'
  size: number
  /** The Bot API server's name for the bytes, no longer needed once the link is recorded. */
  leftover?: string
}

/** The jobs that make a link of a Telegram file: two kinds that fetch, one for what is stored already. */
export function transfers(context: BotContext, settings: IngestSettings, status: Status): FileKind[] {
  const { machine, telegram } = context.breakers
  const isReady = () => context.telegram.connected && context.store.isThere && context.database.isInPlace
  const fetches = {
    isOfBot: true,
    breakers: [telegram],
    ready: async () => isReady() && !(await context.store.isLow()),
    stuckAfter,
  }
  const lanes = {
    // The server serves the newest call first, so that of two large files one would starve: one at a time, usually.
    large: { ...fetches, name: 'large files', concurrency: settings.FETCHES_PER_BOT },
    // They begin one after the other ({@link FetchTurns}); the further places are for when nothing comes of those before.
    small: { ...fetches, name: 'small files', concurrency: smallPlaces },
    // Many at a time, and past those that wait for a transfer.
    known: { ...fetches, name: 'known files', concurrency: 4, breakers: [], ready: isReady },
  }
  const mayBegin = () => telegram.isClosed && machine.isClosed
  const turns = new FetchTurns(settings.STALL_SECONDS * 1000 * passedBy, mayBegin)
  const shared: Omit<FileKind, keyof FileType | 'lane'> = {
    retries: settings.RETRY_DELAYS,
    maxCrashes: 3,
    attemptFailed: fileEvents.failed,
    run: (job, signal, elsewhere) => transfer({ context, settings, status, turns, elsewhere }, job, signal),

    classify(job, error) {
      const { errorType, retryable, fault } = classify(error)
      context.log.warn({ job_id: job.id, error_type: errorType, error }, 'transfer failed')
      const verdict = {
        errorType,
        message: error instanceof Error ? error.message : String(error),
        retryable,
      }
      switch (fault) {
        case 'file':
          return verdict
        case 'telegram':
          return { ...verdict, suspect: telegram }
        case 'stall':
          return { ...verdict, suspect: telegram, isDeferral: true, delays: stallDelays }
        case 'flood':
          return { ...verdict, suspect: telegram, countsAsAttempt: false, retryAfter: floodWait(error) }
        case 'room':
          return { ...verdict, countsAsAttempt: false, retryAfter: roomPause }
        case 'machine':
          return { ...verdict, suspect: machine, isDeferral: true }
      }
    },

    async onFailure(job, error, retryIn, isOutage) {
      const text = failureText(job, error, retryIn, isOutage)
      if (text) await status.tell(job, text)
    },
  }
  return [
    { ...largeFile, ...shared, lane: lanes.large },
    { ...smallFile, ...shared, lane: lanes.small },
    { ...knownFile, ...shared, lane: lanes.known },
  ]
}

function floodWait(error: unknown): number {
  const seconds = error instanceof TelegramRefusal ? error.retryAfter : undefined
  return seconds === undefined ? floodPause : seconds * 1000
}

/** What the user reads; nothing while the bot only waits until Telegram is there again. */
function failureText(job: Job, error: unknown, retryIn: number | undefined, isOutage: boolean) {
  const { reason, advice, final, fault } = classify(error)
  const file = readPayload(job)
  if (!file) return { text: unreadable, topic: `job:${job.id}` }
  if (retryIn !== undefined) {
    if (fault === 'room') return { text: waitingForRoom(file) }
    if (isOutage && fault !== 'machine') return undefined
    if (isOutage) return { text: failed(file, machineProblem.reason, machineProblem.advice) }
    if (fault === 'flood') return undefined
  }
  const keyboard = [[{ text: 'Retry', callback_data: `retry:${job.id}` }]]
  if (retryIn !== undefined) return { text: retrying(file, reason, retryIn / 1000), keyboard }
  const sentence = fault === 'stall' ? stalledForGood : reason
  return { text: failed(file, sentence, advice), topic: `job:${job.id}`, ...(!final && { keyboard }) }
}

interface Parts {
  context: BotContext
  settings: IngestSettings
  status: Status
  turns: FetchTurns
  elsewhere: Elsewhere
}

async function transfer(parts: Parts, job: FileJob, signal: AbortSignal): Promise<void> {
  const { context, status } = parts
  const { jobs, store, links, telegram, sender, database } = context
  const { payload } = job
  const began = performance.now()
  // Until the link is recorded, for others with the same content.
  using held = new DisposableStack()
  const taken = await take(parts, job, held, signal)
  if (!taken) return
  const { intake, size, leftover } = taken
  const expiresAt = links.expiry(context.clock.now())
  const { fileUniqueId, fileId, messageId, name, mimeType, uuid } = payload
  const record = async () => {
    await checkQuotas(context, job, { fileUniqueId, size })
    // In one transaction with the end: each one of its own would wait for the disk.
    const finished: [JobEvent, object][] = intake === 'known' ? [] : [[fileEvents.finished, { intake, size }]]
    await jobs.events.recordAll(job, [...finished, [fileEvents.validated, { size, intake }]])
    const chatId = sender.chats.idNow(job.chatId)
    const source = { botId: job.botId, fileId, chatId, messageId }
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
    await status.tell(job, {
      text: done({ name, size }, links.urlOf(uuid, name), expiresAt),
      topic: `job:${job.id}`,
    })
  }
  await database.transaction(record).catch(async (error) => {
    if (!(error instanceof OverQuota)) throw error
    // Recorded by another worker, should this one have been taken for dead.
    if (!(await links.has(uuid))) await store.remove(uuid)
    if (leftover !== undefined) await telegram.files.discard(leftover)
    throw error
  })
  if (leftover !== undefined) await telegram.files.discard(leftover)
}

/** Takes the content in; undefined when the job went to those that fetch. */
async function take(
  parts: Parts,
  job: FileJob,
  held: DisposableStack,
  signal: AbortSignal,
): Promise<Taken | undefined> {
  const { context, settings, status } = parts
  const { jobs, store } = context
  const { payload } = job
  const { uuid, size } = payload
  if (size !== undefined) {
    // Linked before a crash, and not recorded.
    if ((await store.stat(uuid))?.size === size) {
      return { intake: 'known', size: await store.settle(uuid) }
    }
    const known = await takeKnown(context, payload)
    if (known) return known
  }
  if (job.kind === knownFile.name) {
    // Fetched here, it would have no promise of room, and more transfers would run at once than may.
    const { name: kind, holds } = fetchTypeOf(settings, size)
    const as = { kind, size: holds(payload).bytes ?? 0 }
    const move = { reason: 'content gone', countsAsAttempt: false, as }
    await jobs.transition(job.id, 'RUNNING', 'QUEUED', move, job.worker)
    return undefined
  }
  await status.begin(job, signal)
  const { turns, elsewhere } = parts
  const { fileUniqueId } = payload
  const turn =
    job.kind === smallFile.name
      ? held.use(await elsewhere(() => turns.take(fileUniqueId, signal, job.deferrals > 0)))
      : undefined
  // One before it in the line may have been the same.
  const known = turn && (await takeKnown(context, payload))
  if (known) return known
  await checkRoom(context, size)
  await jobs.events.record(job, fileEvents.started, { size })
  try {
    return await download(parts, job, turn, signal)
  } catch (error) {
    // Fetched for two jobs at once, and taken away with the record of the other.
    const other = codeOf(error) === 'ENOENT' ? await takeKnown(context, payload) : undefined
    if (other) return other
    // The local server says only that the file is unavailable when it has no room for it.
    if (!signal.aborted) await checkRoom(context, size)
    throw error
  }
}

async function takeKnown(
  { store, links }: BotContext,
  { uuid, size, fileUniqueId }: Payload,
): Promise<Taken | undefined> {
  if (size === undefined) return undefined
  const known = await links.findByContent(fileUniqueId, size)
  const isShared = known !== undefined && (await store.linkExisting(known, uuid, size))
  return isShared ? { intake: 'known', size } : undefined
}

async function download(
  { context: { jobs, store, telegram }, settings, status, elsewhere }: Parts,
  job: FileJob,
  turn: Turn | undefined,
  signal: AbortSignal,
): Promise<Taken> {
  const { payload } = job
  const { uuid, size, fileId } = payload
  const { MAX_FILE_SIZE: limit, STALL_SECONDS } = settings
  const patience = STALL_SECONDS * 1000 * (turn ? putOff : 1)
  const speed = new Speed()
  const received = (bytes: number) => {
    jobs.reservations.progressed(job, bytes)
    const shown = { received: bytes, speed: speed.at(bytes) }
    status.showProgress(job, () => progress(payload, shown))
  }
  const fetched = await elsewhere(async () => {
    const grew = () => {
      jobs.reservations.grew(job.id)
      turn?.moved()
    }
    let last = 0
    const seen = (bytes: number) => {
      if (bytes > last) turn?.moved()
      last = bytes
      received(bytes)
    }
    return await telegram.files.fetch({ fileId, size, patience, grew }, seen, signal)
  })
  if (!('stream' in fetched)) turn?.fetched()
  if ('stream' in fetched) {
    const bytes = await store.importStream(uuid, fetched.stream, { size: fetched.size, limit, received })
    turn?.fetched()
    return { intake: 'stream', size: bytes }
  }
  try {
    const kept = await store.importFile(uuid, fetched.path, { size, limit }, fetched.handedOver)
    return { ...kept, leftover: fetched.path }
  } catch (error) {
    // The server would answer with the same wrong file again, and keep it for a day.
    if (error instanceof SizeMismatch || error instanceof TooLarge) await telegram.files.discard(fetched.path)
    throw error
  }
}
