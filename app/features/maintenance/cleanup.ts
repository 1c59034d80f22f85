import { setTimeout as delay } from 'node:timers/promises'
import { isAdministrator } from '../../core/administrator.ts'
import type { Database } from '../../core/database/database.ts'
import type { Queries } from '../../core/database/reader.ts'
import { Unavailable } from '../../core/errors.ts'
import type { Context } from '../../core/http.ts'
import { type CleanupRow, cleanupTable } from './maintenance.model.ts'
import type { Findings } from './reconciliation.ts'
import type { Removed } from './retention.ts'

/** Milliseconds for which a request waits for its result; nginx waits a little longer. */
const patience = 12_000

/** POST /cleanup: has the bot role clean up now; answers with what was removed, or 202 when that takes long. */
export function cleanupRoute(database: Queries, adminToken: string) {
  return async (ctx: Context): Promise<void> => {
    ctx.set('Cache-Control', 'no-store')
    if (!isAdministrator(ctx, adminToken)) {
      ctx.status = 401
      ctx.set('WWW-Authenticate', 'Bearer')
      ctx.body = { error: 'unauthorized', message: 'Send Authorization: Bearer <ADMIN_TOKEN>.' }
      return
    }
    const id = await ask(database).catch(nothingIfUnavailable)
    if (id === undefined) {
      ctx.status = 503
      ctx.set('Retry-After', '5')
      ctx.body = {
        error: 'unavailable',
        message:
          'It could not be asked for: the database is locked or cannot be written to. Please try again.',
      }
      return
    }
    const result = await resultOf(database, id).catch(nothingIfUnavailable)
    if (result === undefined) ctx.status = 202
    ctx.body = result ?? {
      status: 'requested',
      message: 'The bot role does it, at its next start if it is not running. Ask again for the result.',
    }
  }
}

function nothingIfUnavailable(error: unknown): undefined {
  if (!(error instanceof Unavailable)) throw error
}

/** DataContext the wish; one that waits or runs is joined. One statement, so that no lock is held between two. */
async function ask(database: Queries): Promise<number> {
  const [made] = await database.query<CleanupRow>(
    `INSERT INTO cleanups (requested_at) SELECT CAST($1 AS BIGINT)
     WHERE NOT EXISTS (SELECT 1 FROM cleanups WHERE finished_at IS NULL) RETURNING id`,
    Date.now(),
  )
  // One that has ended since then has done what was wished for.
  const [latest] = made ? [made] : await database.query<CleanupRow>('SELECT max(id) AS id FROM cleanups')
  return (latest as CleanupRow).id
}

/** Undefined when it takes longer than the caller is kept waiting. */
async function resultOf(database: Queries, id: number): Promise<unknown> {
  const end = performance.now() + patience
  while (performance.now() < end) {
    const [row] = await database.query<CleanupRow>('SELECT * FROM cleanups WHERE id = $1', id)
    if (row?.result) return JSON.parse(row.result)
    await delay(100)
  }
  return undefined
}

/** What a clean-up is made of. */
interface Sweeps {
  expired(signal: AbortSignal): Promise<Removed>
  leftovers(): Promise<Removed>
  whole(signal: AbortSignal): Promise<Findings>
}

/** Does what was asked for, in the bot role. */
export async function answerCleanups(database: Database, sweeps: Sweeps, signal: AbortSignal): Promise<void> {
  const asked = await database.rows(cleanupTable, { finished_at: null })
  if (asked.length === 0) return
  const expired = await sweeps.expired(signal)
  const leftovers = await sweeps.leftovers()
  const { orphans, missing } = await sweeps.whole(signal)
  // Stopped in the middle: the row stays, and the next start goes on.
  if (signal.aborted) return
  await database.query(
    'UPDATE cleanups SET finished_at = $1, result = $2 WHERE finished_at IS NULL',
    Date.now(),
    JSON.stringify({
      status: 'done',
      expired: { links: expired.count, bytes: expired.bytes },
      leftovers: { files: leftovers.count, bytes: leftovers.bytes },
      orphans,
      missing,
    }),
  )
}
