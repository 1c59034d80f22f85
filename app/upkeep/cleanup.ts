import { createHash, timingSafeEqual } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from 'koa'
import type { Database } from '../core/database.ts'
import type { Findings } from './reconciliation.ts'
import type { Removed } from './retention.ts'

/** Milliseconds for which a request waits for its result; nginx waits a little longer. */
const patience = 12_000

interface Row extends Record<string, unknown> {
  id: number
  finished_at: number | null
  result: string | null
}

/** POST /cleanup: has the bot role clean up now; answers with what was removed, or 202 while it is at it. */
export function cleanupRoute(database: Database, adminToken: string) {
  return async (ctx: Context): Promise<void> => {
    ctx.set('Cache-Control', 'no-store')
    if (!isToken(/^Bearer +(.+)$/i.exec(ctx.get('Authorization'))?.[1] ?? '', adminToken)) {
      ctx.status = 401
      ctx.set('WWW-Authenticate', 'Bearer')
      ctx.body = { error: 'unauthorized', message: 'Send Authorization: Bearer <ADMIN_TOKEN>.' }
      return
    }
    const id = await request(database)
    const end = Date.now() + patience
    while (Date.now() < end) {
      const [row] = await database.query<Row>('SELECT * FROM cleanups WHERE id = $1', id)
      if (row?.result) {
        ctx.body = JSON.parse(row.result)
        return
      }
      await delay(100)
    }
    ctx.status = 202
    ctx.body = { status: 'running', message: 'Ask again for the result.' }
  }
}

/** One that runs is joined. */
async function request(database: Database): Promise<number> {
  return await database.transaction(async () => {
    const [running] = await database.query<Row>('SELECT * FROM cleanups WHERE finished_at IS NULL LIMIT 1')
    if (running) return running.id
    const sql = 'INSERT INTO cleanups (requested_at) VALUES ($1) RETURNING id'
    const [made] = await database.query<Row>(sql, Date.now())
    return (made as Row).id
  })
}

/** What a clean-up is made of. */
interface Sweeps {
  expired(signal: AbortSignal): Promise<Removed>
  leftovers(): Promise<Removed>
  whole(signal: AbortSignal): Promise<Findings>
}

/** Does what was asked for, in the bot role. */
export async function answerCleanups(database: Database, sweeps: Sweeps, signal: AbortSignal): Promise<void> {
  const asked = await database.query<Row>('SELECT * FROM cleanups WHERE finished_at IS NULL')
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

function isToken(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
