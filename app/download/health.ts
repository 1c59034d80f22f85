import type { Context } from 'koa'
import type { Health, PartHealth } from '../core/health.ts'
import type { Queries } from '../core/reader.ts'

/** Reported by the bot role, which alone has the token and may write to the store. */
const reported = ['bot_api', 'store', 'disk', 'queue', 'clock']

/** The handler of /health: 200 when every part works, else 503. */
export function healthPage(health: Health, database: Queries) {
  return async (ctx: Context): Promise<void> => {
    const parts = await read(health, database)
    const ok = Object.values(parts).every((part) => part.ok)
    ctx.status = ok ? 200 : 503
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { status: ok ? 'ok' : 'failing', parts }
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
