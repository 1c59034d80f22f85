import { stat } from 'node:fs/promises'
import type { OwnerCommand } from '../context.ts'
import { databaseFile } from '../core/database/settings.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { StartError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { databaseModule } from '../core/module.ts'
import { WallClock } from '../core/wall-clock.ts'
import { Jobs } from '../jobs/index.ts'
import { isLocked, keepTrying, openDatabase, recordsOf } from './database.ts'

/** Does one of the owner's commands beside a bot that runs or does not. Returns what to tell the owner. */
export async function runCommand(
  command: OwnerCommand,
  words: string[],
  settingsOf: SettingsOf,
  { log, stop }: { log: Log; stop: AbortSignal },
): Promise<string> {
  if (words.length > 0 && !command.takes) throw new StartError(`${command.name} takes no arguments`)
  await requireDatabase(databaseFile(settingsOf(databaseModule)))
  const open = () => openDatabase(settingsOf, log)
  await using database = await keepTrying(open, { log, mayPass: isLocked, stop })
  const context = recordsOf(settingsOf, database, log)
  context.store.attach(database)
  const parts = { jobs: new Jobs(database, log), clock: new WallClock(database, log) }
  return await command.run({ ...context, ...parts }, words)
}

/** A mistyped path must not become a new database, and the store that one's. */
export async function requireDatabase(file: string | undefined): Promise<void> {
  if (file === undefined) return
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  )
  if (size > 0) return
  throw new StartError(`DATABASE_URL: there is no database at ${file}; its first start by the bot makes one`)
}
