import { isTrusted } from './administrator.ts'
import type { Queries } from './database/reader.ts'
import type { Health, PartHealth } from './health.ts'
import type { Context } from './http.ts'

/**
 * The handler of /health: 200 when every part works, else 503. Anyone learns which parts do; details, such as the free
 * room, are for who may know them.
 */
export function healthPage(health: Health, database: Queries, adminToken: string | undefined) {
  return async (ctx: Context): Promise<void> => {
    const parts = await read(health, database)
    const ok = Object.values(parts).every((part) => part.ok)
    ctx.status = ok ? 200 : 503
    ctx.set('Cache-Control', 'no-store')
    const mayKnow = isTrusted(ctx, adminToken)
    const shown = Object.entries(parts).map(([name, part]) => [name, mayKnow ? part : { ok: part.ok }])
    ctx.body = { status: ok ? 'ok' : 'failing', parts: Object.fromEntries(shown) }
  }
}

/** Who asks sees whether the database answers; of one that does not, nothing else can be told. */
async function read(health: Health, database: Queries): Promise<Record<string, PartHealth>> {
  try {
    await database.query('SELECT 1')
    return { ...(await health.read()), database: { ok: true, detail: 'answers' } }
  } catch {
    return { database: { ok: false, detail: 'does not answer' } }
  }
}
