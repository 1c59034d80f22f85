import { isAdministrator, isLocal } from '../../core/administrator.ts'
import type { Queries } from '../../core/database/reader.ts'
import type { Health, PartHealth } from '../../core/health.ts'
import type { Context } from '../../core/http.ts'

/** Reported by the bot role, which alone has the token and may write to the store. */
const reported = ['bot_api', 'store', 'disk', 'queue', 'clock']

/**
 * The handler of /health: 200 when every part works, else 503. Anyone learns which parts do; details, such as the free
 * room, are for who holds the administrator's token or asks on this machine.
 */
export function healthPage(health: Health, database: Queries, adminToken: string | undefined) {
  return async (ctx: Context): Promise<void> => {
    const parts = await read(health, database)
    const ok = Object.values(parts).every((part) => part.ok)
    ctx.status = ok ? 200 : 503
    ctx.set('Cache-Control', 'no-store')
    const isTrusted = isLocal(ctx) || (adminToken !== undefined && isAdministrator(ctx, adminToken))
    const shown = Object.entries(parts).map(([name, part]) => [name, isTrusted ? part : { ok: part.ok }])
    ctx.body = { status: ok ? 'ok' : 'failing', parts: Object.fromEntries(shown) }
  }
}

async function read(health: Health, database: Queries): Promise<Record<string, PartHealth>> {
  try {
    await database.query('SELECT 1')
    const parts = await health.read(reported)
    return { database: { ok: true, detail: 'answers' }, ...parts }
  } catch {
    return { database: { ok: false, detail: 'does not answer' } }
  }
}
