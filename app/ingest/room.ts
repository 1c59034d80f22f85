import type { BotHouse } from '../house.ts'
import type { Attachment } from './attachment.ts'
import { NoRoom, OverQuota } from './failures.ts'
import { type NotTaken, noRoom, overQuota } from './texts.ts'

/** Decides whether a file fits beside all that is kept and promised. Returns why not, if it does not. */
export async function roomRefusal(
  { jobs, store, links }: BotHouse,
  userId: number,
  file: Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>,
): Promise<NotTaken | undefined> {
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

/** Bytes that stay free in any case, for the database. */
const minFree = 8 * 1024 * 1024

/**
 * Looks again before a transfer, and after one that failed.
 * @throws NoRoom when another program has taken what was promised to this file
 */
export async function checkRoom({ store, telegram }: BotHouse, size = 0): Promise<void> {
  const { free, spare } = await store.room()
  // After a restart a part of it may have come already.
  if (free < minFree || size > spare + (await telegram.files.partialBytes())) throw new NoRoom()
}

/** Holds a size that nobody announced against the quotas. @throws OverQuota */
export async function checkQuotas({ jobs, links }: BotHouse, userId: number, size: number): Promise<void> {
  const left = await links.left(userId)
  const mine = left.user - (await jobs.load.promisedTo(userId))
  const all = left.store - (await jobs.load.promised())
  if (size > mine || size > all) throw new OverQuota()
}
