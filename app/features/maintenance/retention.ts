import { basename } from 'node:path'
import type { BotContext } from '../../context.ts'
import type { StuckFiles } from './stuck-files.ts'
import { unknownOf } from './unknown.ts'

/** Links that one run may remove, so that it ends; what is left waits for the next minute. */
const maxExpired = 250_000

/** Links removed in one transaction: short enough that others hardly wait for it. */
const batch = 200

/** Files that a run may fail to remove: of a disk that has just become read-only, not each is tried. */
const maxFailures = 1000

/** Files that one run looks at in the Bot API server's folder. */
const maxLeftovers = 10_000

/** Milliseconds for which a finished file may still be wanted while there is work. */
const wanted = 15 * 60_000

export interface Removed {
  count: number
  bytes: number
}

/**
 * Removes links whose time has been over for `grace` milliseconds, or is just over where the disk is low. The bytes go
 * first: a crash in between leaves a link that is expired anyway. What cannot be removed keeps its row, and the rest
 * goes; what a job needs that has not ended stays until then.
 */
export async function removeExpired(
  { links, jobs, store, clock, log }: BotContext,
  { stuck, grace }: { stuck: StuckFiles; grace: number },
  signal: AbortSignal,
): Promise<Removed> {
  const removed: Removed = { count: 0, bytes: 0 }
  let left = 0
  let failures = 0
  while (removed.count < maxExpired && failures < maxFailures && !signal.aborted) {
    // Before each batch: either can change at any moment, and what is gone then is gone for good.
    if (!clock.isTrusted || !(await store.look())) break
    const before = Date.now() - ((await store.isLow()) ? 0 : grace)
    const uuids = await links.listExpired(batch, before, left)
    if (uuids.length === 0) break
    const held = await jobs.reservations.held(uuids)
    const due = uuids.filter((uuid) => !stuck.holds(uuid) && !held.has(uuid))
    const gone = await Promise.all(
      due.map(async (uuid) => {
        const done = await stuck.attempt(uuid, () => store.remove(uuid).then(() => uuid))
        if (done === undefined) failures++
        return done
      }),
    )
    // A disk that went in the meantime answers to every removal that there is nothing.
    if (!(await store.look())) break
    const marked = gone.filter((uuid) => uuid !== undefined)
    if (marked.length > 0) removed.bytes += await links.markRemoved(marked)
    removed.count += marked.length
    left += uuids.length - marked.length
  }
  if (removed.count > 0) log.info({ links: removed.count, bytes: removed.bytes }, 'expired links removed')
  return removed
}

/**
 * Removes finished files that the Bot API server would keep for up to 25 h. With no work of its bot in sight all of them are
 * leftovers; else one may belong to a job of this bot that is about to take it in, or to ask for it again.
 */
export async function removeLeftovers(
  { telegram, jobs, store, clock, log }: BotContext,
  stuck: StuckFiles,
): Promise<Removed> {
  const removed: Removed = { count: 0, bytes: 0 }
  if (!(await store.look())) return removed
  // The look into the folder comes before the look at the jobs: what is finished by then is taken in by then.
  const found = await telegram.files.leftovers(maxLeftovers)
  const idle = !(await jobs.reservations.anyOf(telegram.id))
  for (const { path, size, finishedAt } of found) {
    if (stuck.holds(path)) continue
    // An age by a clock that jumped is none.
    if (!idle && (!clock.isTrusted || Date.now() - finishedAt < wanted)) continue
    const done = await stuck.attempt(path, () => telegram.files.discard(path).then(() => true))
    if (!done) continue
    removed.count++
    removed.bytes += size
  }
  if (removed.count > 0) log.info({ files: removed.count, bytes: removed.bytes }, 'Bot API leftovers removed')
  return removed
}

/**
 * Removes for good what has been in the quarantine for days. Not what somebody has come to know and has no other file
 * of, as when the right database is back: reconciliation takes it back, and may not have come that far since.
 */
export async function purgeQuarantine(
  context: BotContext,
  stuck: StuckFiles,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log } = context
  if (!clock.isTrusted || !(await store.look())) return
  const paths = await store.quarantine.outdated(Date.now(), clock.leaptAt)
  const unknown = new Set(
    await unknownOf(
      context,
      paths.map((path) => basename(path)),
    ),
  )
  let removed = 0
  for (const path of paths) {
    if (signal.aborted || !clock.isTrusted) break
    if (stuck.holds(path)) continue
    if (!unknown.has(basename(path)) && !(await store.stat(basename(path)))) continue
    if (await stuck.attempt(path, () => store.quarantine.remove(path).then(() => true))) removed++
  }
  if (removed > 0) log.info({ files: removed }, 'files that nobody knew removed for good')
}
