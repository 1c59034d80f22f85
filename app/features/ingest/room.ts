import type { BotContext } from '../../context.ts'
import type { Job } from '../../jobs/index.ts'
import type { Attachment } from '../../telegram/index.ts'
import { NoRoom, OverQuota } from './failures.ts'
import { type NotTaken, noRoom, overQuota } from './texts.ts'

/**
 * What is left is looked at, and then given away, by one at a time. One name for all users: the store's quota and the disk
 * are everyone's, and who waits for several names would wait for each other.
 */
export const sharing = 'room for files'

/** Decides whether a file fits beside all that is kept and promised. Returns why not, if it does not. */
export async function spaceRefusal(
  { jobs, store, links }: BotContext,
  userId: number,
  file: Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>,
): Promise<NotTaken | undefined> {
  const size = file.size ?? 0
  const left = await links.remainingQuota(userId)
  const reserved = await jobs.reservations.reserved(userId)
  const mine = left.user - reserved.user
  if (size > mine) return overQuota(file, 'user', mine)
  // A known content takes no room; it only counts for its owner.
  if ((await links.findByContent(file.fileUniqueId, size)) !== undefined) return undefined
  const all = left.store - reserved.store
  if (size > all) return overQuota(file, 'store', all)
  const promised = await jobs.reservations.promised()
  const { free, total, spare } = await store.space()
  // Promises were made when they fitted: another program has taken that room, and the file waits like those before it.
  if (spare <= 0 || spare < promised) return size > total - (free - spare) ? noRoom(file, 0) : undefined
  return size > spare - promised ? noRoom(file, Math.max(0, spare - promised)) : undefined
}

/** Bytes that stay free in any case, for the database. */
const minFree = 8 * 1024 * 1024

/**
 * Looks again before a transfer, and after one that failed.
 * @throws NoRoom when another program has taken what was promised to this file
 */
export async function checkRoom({ store, telegram }: BotContext, size = 0): Promise<void> {
  const { free, spare } = await store.space()
  // After a restart a part of it may have come already.
  if (free < minFree || size > spare + (await telegram.files.partialBytes())) throw new NoRoom()
}

/**
 * Holds a file against the quotas, in the transaction that makes it a link: what others of its user were promised is
 * theirs, and a content that is stored already only counts for the user.
 * @throws OverQuota
 */
export async function checkQuotas(
  { jobs, links, database }: BotContext,
  { id, userId }: Pick<Job, 'id' | 'userId'>,
  { fileUniqueId, size }: { fileUniqueId: string; size: number },
): Promise<void> {
  if (!links.hasQuotas) return
  await database.serialize(sharing)
  const left = await links.remainingQuota(userId)
  const others = await jobs.reservations.reserved(userId, id)
  if (size > left.user - others.user) throw new OverQuota()
  const isNew = (await links.findByContent(fileUniqueId, size)) === undefined
  if (isNew && size > left.store - others.store) throw new OverQuota()
}
