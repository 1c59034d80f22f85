import type { BotHouse } from '../house.ts'
import type { Attachment } from './attachment.ts'
import type { IngestSettings } from './settings.ts'
import { jobRefused, noRoom, notAllowed, overQuota, tooLarge, tooMany } from './texts.ts'

const minute = 60_000

/** What is to be known of a file before it is taken. */
type Asked = Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>

/** Decides whether a file is taken. Returns the sentence of a refusal, or undefined; nothing is transferred yet. */
export async function refusalOf(
  house: BotHouse,
  settings: IngestSettings,
  of: { userId: number; chatId: number },
  file: Asked,
): Promise<string | undefined> {
  const { users, jobs } = house
  if (!users.mayUse(of.userId)) return notAllowed(of.userId)
  const { MAX_FILE_SIZE, RATE_LIMIT_PER_MINUTE } = settings
  if (file.size !== undefined && file.size > MAX_FILE_SIZE) return tooLarge(file, MAX_FILE_SIZE)

  const seconds = await jobs.load.freeIn({ userId: of.userId }, minute, RATE_LIMIT_PER_MINUTE)
  if (seconds > 0) return tooMany(RATE_LIMIT_PER_MINUTE, seconds)
  const refused = await house.jobLimits(of)
  if (refused) return jobRefused(refused)
  return await roomRefusal(house, of.userId, file)
}

async function roomRefusal(
  { jobs, store, links }: BotHouse,
  userId: number,
  file: Asked,
): Promise<string | undefined> {
  const size = file.size ?? 0
  const left = await links.left(userId)
  const mine = left.user - (await jobs.load.promisedTo(userId))
  if (size > mine) return overQuota(file, 'user', mine)
  // A known content takes no room; it only counts for its owner.
  if ((await links.withContent(file.fileUniqueId, size)) !== undefined) return undefined
  const promised = await jobs.load.promised()
  if (size > left.store - promised) return overQuota(file, 'store', left.store - promised)
  const { free, total, spare } = await store.room()
  // Filled by another program: the file waits for room, if there can ever be enough.
  if (spare <= 0) return size > total - (free - spare) ? noRoom(file, 0) : undefined
  return size > spare - promised ? noRoom(file, Math.max(0, spare - promised)) : undefined
}
