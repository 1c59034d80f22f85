import { setImmediate as breathe } from 'node:timers/promises'
import type { BotContext } from '../../context.ts'
import type { Database } from '../../core/database/database.ts'

const day = 86_400_000

/**
 * Milliseconds for which one can look into what has ended. A job's key keeps a message from becoming a second job;
 * Telegram repeats an update for 24 h at most, so nobody asks for a key as old as this.
 */
const kept = 90 * day

/** Rows removed in one transaction; a job takes about ten events with it. */
const batch = 200

/** Rows of one sort that a run may remove, so that it ends; what is left waits for the next hour. */
const maxRows = 100_000

/** Removes the rows of what ended long ago. Links stay: they are what statistics need. */
export async function forgetHistory(
  { jobs, telegram, outbox, database, clock, log }: BotContext,
  signal: AbortSignal,
): Promise<void> {
  if (!clock.isTrusted) return
  const before = Date.now() - kept
  const removed = {
    jobs: await inBatches((limit) => jobs.forgetEnded(before, limit), signal),
    // Later than the jobs that they show: one that is tried again may still want to be told.
    messages: await inBatches((limit) => outbox.forget(before - 10 * day, limit), signal),
    updates: await inBatches((limit) => telegram.forgetHandled(limit), signal),
    cleanups: await inBatches((limit) => forgetCleanups(database, before, limit), signal),
  }
  if (Object.values(removed).some((count) => count > 0)) log.info(removed, 'history removed')
}

/** Repeats `forget`, which removes up to `limit` rows and returns how many, until nothing is left. Returns the sum. */
async function inBatches(forget: (limit: number) => Promise<number>, signal: AbortSignal): Promise<number> {
  let sum = 0
  while (sum < maxRows && !signal.aborted) {
    const count = await forget(batch)
    sum += count
    if (count < batch) break
    await breathe()
  }
  return sum
}

async function forgetCleanups(database: Database, before: number, limit: number): Promise<number> {
  const rows = await database.query(
    'DELETE FROM cleanups WHERE id IN (SELECT id FROM cleanups WHERE finished_at < $1 LIMIT $2) RETURNING id',
    before,
    limit,
  )
  return rows.length
}
