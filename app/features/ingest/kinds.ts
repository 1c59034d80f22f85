import type { Job, JobLimits, JobType, RateLimit } from '../../jobs/index.ts'
import type { Links } from '../../links/index.ts'
import { filePayload, type Payload } from './payload.ts'
import type { IngestSettings } from './settings.ts'

export type FileType = JobType<typeof filePayload>

const fetched = {
  payload: filePayload,
  holds: ({ uuid, size = 0 }: Payload) => ({ file: uuid, bytes: size }),
}

/** Contents that come from Telegram, by getFile. */
export const largeFile: FileType = { ...fetched, name: 'ingest' }

/** Small ones of them: they never wait behind a large one, since the server serves the newest call first. */
export const smallFile: FileType = { ...fetched, name: 'ingest-small' }

/** Contents that are stored already. */
export const knownFile: FileType = {
  name: 'ingest-known',
  payload: filePayload,
  holds: ({ uuid, size = 0 }) => ({ file: uuid, bytes: 0, userBytes: size }),
}

/** The names of all of them. */
export const fileKinds = [largeFile, smallFile, knownFile].map(({ name }) => name)

/** Whether a job makes a link of a file. */
export function isOfFile({ kind }: Pick<Job, 'kind'>): boolean {
  return fileKinds.includes(kind)
}

/** Which sort of job makes a link of a file. */
export async function fileTypeOf(links: Links, settings: IngestSettings, file: Payload): Promise<FileType> {
  const { size, fileUniqueId } = file
  const known = size !== undefined && (await links.findByContent(fileUniqueId, size))
  return known ? knownFile : fetchTypeOf(settings, size)
}

/** Which sort of job fetches a file. */
export function fetchTypeOf({ SMALL_FILE_SIZE }: IngestSettings, size: number | undefined): FileType {
  return size !== undefined && size <= SMALL_FILE_SIZE ? smallFile : largeFile
}

const minute = 60_000

/** How many files of a user, and from a chat, may begin within some time. */
export function fileRates(
  settings: IngestSettings,
  { userId, chatId }: { userId: number; chatId: number },
): { minute: RateLimit; hour: RateLimit; chat: RateLimit } {
  const hour = 60 * minute
  return {
    minute: { of: { userId }, span: minute, most: settings.RATE_LIMIT_PER_MINUTE },
    hour: { of: { userId }, span: hour, most: settings.MAX_JOBS_PER_USER_PER_HOUR },
    chat: { of: { chatId }, span: hour, most: settings.MAX_JOBS_PER_CHAT_PER_HOUR },
  }
}

/** All files count together, however they come. */
export function fileLimits(settings: IngestSettings): JobLimits {
  return {
    kinds: fileKinds,
    maxQueued: settings.MAX_QUEUE_LENGTH,
    maxActive: settings.MAX_ACTIVE_JOBS_PER_USER,
    rates: (of) => Object.values(fileRates(settings, of)),
  }
}
