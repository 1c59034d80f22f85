import { randomUUID } from 'node:crypto'
import { openDatabase } from '../core/database/database.ts'
import { Leadership } from '../core/database/leadership.ts'
import { moveRows } from '../core/database/move.ts'
import {
  type DatabaseSettings,
  databaseFile,
  databaseSettings,
  nameOf,
  placeOf,
} from '../core/database/settings.ts'
import { StartError } from '../core/errors.ts'
import { counted } from '../core/format.ts'
import type { Log } from '../core/log.ts'
import { migrations } from '../declarations.ts'
import { renewIdentity } from '../store/index.ts'
import { requireDatabase } from './command.ts'

/** Milliseconds after which a bot that gives no sign of life on a PostgreSQL database is none. */
const patience = 16_000

/** The two databases that the words of the command mean. @throws StartError */
export function addressesIn(words: string[], settings: DatabaseSettings) {
  const [to, from] = words.toReversed()
  if (to === undefined || words.length > 2)
    throw new StartError('move-database needs the address of the new database')
  for (const address of [from, to]) {
    const { error } = databaseSettings.shape.DATABASE_URL.safeParse(address)
    // What was given may hold a password.
    if (error) throw new StartError(`move-database: an address ${error.issues[0]?.message}`)
  }
  return {
    from: { ...settings, ...(from !== undefined && { DATABASE_URL: from }) },
    to: { ...settings, DATABASE_URL: to },
  }
}

interface Move {
  from: DatabaseSettings
  to: DatabaseSettings
  log: Log
}

/** Moves everything while no bot runs. Returns what to tell. @throws StartError when nothing was moved */
export async function moveDatabase({ from, to, log }: Move): Promise<string> {
  const [source, target] = [nameOf(placeOf(from)), nameOf(placeOf(to))]
  if (source === target) throw new StartError('move-database: both addresses are of the same database')
  await requireDatabase(databaseFile(from))
  await using owned = new AsyncDisposableStack()
  const old = owned.use(await openDatabase(from, migrations))
  owned.use(await old.lock())
  if (
    !(await owned
      .use(new Leadership({ database: old, log, self: randomUUID() }))
      .gained(AbortSignal.timeout(patience)))
  ) {
    throw new StartError(`a bot works with ${source}: stop it first`)
  }
  const fresh = owned.use(await openDatabase(to, migrations))
  owned.use(await fresh.lock())
  const counts = await moveRows(old, fresh, () => renewIdentity(fresh))
  const rows = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return [
    `${counted(rows, 'row')} of ${counted(counts.size, 'table')} moved from ${source} to ${target}, and compared.`,
    'Now set DATABASE_URL to the new one, for the bot and the web role, and start them. The old one was not changed: keep',
    'it until all works. Once a bot has started with the new one, none starts with the old one any more.',
  ].join('\n')
}
