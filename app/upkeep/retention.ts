import type { BotHouse } from '../house.ts'

/** Links that one run may remove, so that it ends; what is left waits for the next minute. */
const maxExpired = 250_000

/** Links removed in one transaction: short enough that others hardly wait for it. */
const batch = 200

/** Files that one run looks at in the Bot API server's folder. */
const maxLeftovers = 10_000

/** Milliseconds for which a finished file may still be wanted while there is work. */
const grace = 15 * 60_000

export interface Removed {
  count: number
  bytes: number
}

/** Removes links whose time has come. The bytes go first: a crash in between leaves a link that is expired anyway. */
export async function removeExpired({ links, store, log }: BotHouse, signal: AbortSignal): Promise<Removed> {
  const removed: Removed = { count: 0, bytes: 0 }
  while (removed.count < maxExpired && !signal.aborted) {
    const uuids = await links.expired(batch)
    if (uuids.length === 0) break
    await Promise.all(uuids.map((uuid) => store.remove(uuid)))
    removed.bytes += await links.removed(uuids)
    removed.count += uuids.length
  }
  if (removed.count > 0) log.info({ links: removed.count, bytes: removed.bytes }, 'expired links removed')
  return removed
}

/**
 * Removes finished files that the Bot API server would keep for up to 25 h. With no work in sight all of them are
 * leftovers; else one may belong to a job that is about to take it in, or to ask for it again.
 */
export async function removeLeftovers({ telegram, jobs, log }: BotHouse): Promise<Removed> {
  // The look into the folder comes before the look at the jobs: what is finished by then is taken in by then.
  const found = await telegram.files.leftovers(maxLeftovers)
  const fetching = await Promise.all(['ingest', 'ingest-small'].map((kind) => jobs.active(kind, 1)))
  const idle = fetching.flat().length === 0
  const removed: Removed = { count: 0, bytes: 0 }
  for (const { path, size, finishedAt } of found) {
    if (!idle && Date.now() - finishedAt < grace) continue
    await telegram.files.discard(path)
    removed.count++
    removed.bytes += size
  }
  if (removed.count > 0) log.info({ files: removed.count, bytes: removed.bytes }, 'Bot API leftovers removed')
  return removed
}
