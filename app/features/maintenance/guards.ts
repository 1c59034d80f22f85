import type { BotContext } from '../../context.ts'
import type { PartHealth } from '../../core/health.ts'
import type { Notices } from './notices.ts'

/** Looks whether the store is there and takes writes; the owner hears of it once. */
export async function watchStore({ store, health }: BotContext, notices: Notices): Promise<void> {
  const state = await stateOf(store)
  await health.report('store', state)
  if (store.isThere) return await notices.over('store', 'The folder of the files is there again.')
  await notices.say('store', store.isSilent ? hangs : isAway)
}

const meanwhile = 'new files wait, and nothing is removed until it is back.'

const isAway =
  'The folder of the files is not there, or is another one: check its disk. Links answer with an error, ' +
  `${meanwhile} If this folder is the right one: sudo tgdepot accept-store`

const hangs = `The folder of the files does not answer: its disk or network share hangs. Links may hang as well, ${meanwhile}`

async function stateOf(store: BotContext['store']): Promise<PartHealth> {
  const away = () => ({ ok: false, detail: store.isSilent ? 'does not answer' : 'not there' })
  if (!(await store.look())) return away()
  return await store.probe().then(
    () => ({ ok: true, detail: 'writable' }),
    () => (store.isThere ? { ok: false, detail: 'not writable' } : away()),
  )
}

/** Looks at the database: damage is met where something is read or written, and what needs nothing of it goes on. */
export async function watchDatabase({ database }: BotContext, notices: Notices): Promise<void> {
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
export async function watchClock({ clock, health }: BotContext, notices: Notices): Promise<void> {
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
