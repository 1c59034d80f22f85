import type { PartHealth } from '../core/health.ts'
import type { BotHouse } from '../house.ts'
import type { Notices } from './notices.ts'

/** Looks whether the store is there and takes writes; the owner hears of it once. */
export async function watchStore({ store, health }: BotHouse, notices: Notices): Promise<void> {
  const state = await stateOf(store)
  await health.report('store', state)
  if (store.isThere) return await notices.over('store', 'The folder of the files is there again.')
  await notices.say(
    'store',
    'The folder of the files is not there, or is another one: check its disk. Links answer with an error, new ' +
      'files wait, and nothing is removed until it is back. If this folder is the right one: sudo tgdepot accept-store',
  )
}

async function stateOf(store: BotHouse['store']): Promise<PartHealth> {
  if (!(await store.look())) return { ok: false, detail: 'not there' }
  return await store.probe().then(
    () => ({ ok: true, detail: 'writable' }),
    () => ({ ok: false, detail: store.isThere ? 'not writable' : 'not there' }),
  )
}

/** Looks at the database: damage is met where something is read or written, and what needs nothing of it goes on. */
export async function watchDatabase({ database }: BotHouse, notices: Notices): Promise<void> {
  await database.look()
  if (!database.isInPlace) {
    await notices.say(
      'database',
      'The database was removed or replaced while the bot ran. Files wait, since their links would be lost. Stop the ' +
        'bot, put the right database in its place, and start the bot again.',
    )
  } else if (database.isDamaged) {
    await notices.say(
      'database',
      'The database is damaged: files may fail, or go unanswered, until you put back a backup of it. The log has more.',
    )
  } else await notices.over('database')
}

/** Looks at the clock. One that is not trusted keeps nobody from being served, so it is no failure of /health. */
export async function watchClock({ clock, health }: BotHouse, notices: Notices): Promise<void> {
  await clock.look()
  await health.report('clock', { ok: true, detail: clock.describe() })
  if (clock.isTrusted) return await notices.over('clock')
  const stands = new Date().toISOString().slice(0, 16).replace('T', ' ')
  await notices.say(
    'clock',
    `The server's clock jumped; it says ${stands} UTC. No file is removed for its age until the clock follows a ` +
      'time server, is set back, or you confirm it: sudo tgdepot confirm-clock',
  )
}
