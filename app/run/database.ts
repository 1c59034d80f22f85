import { setTimeout as delay } from 'node:timers/promises'
import type { DataContext } from '../context.ts'
import { type Database, openDatabase as openTables } from '../core/database/database.ts'
import { DatabaseAway, DatabaseLocked, DatabaseUnwritable } from '../core/database/errors.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import { Metrics } from '../core/metrics.ts'
import { databaseModule } from '../core/module.ts'
import { healthParts, metrics, migrations } from '../declarations.ts'
import { Links } from '../links/index.ts'
import { linksModule } from '../links/module.ts'
import { Store } from '../store/index.ts'
import { storeModule } from '../store/module.ts'

export const isLocked = (error: unknown) => error instanceof DatabaseLocked

/** What ends by itself, or by the owner's hand, and not sooner for a new start. */
export const isOutside = (error: unknown) =>
  isLocked(error) || error instanceof DatabaseUnwritable || error instanceof DatabaseAway

/** Opens the database and brings its tables up to date. */
export async function openDatabase(settingsOf: SettingsOf, log: Log): Promise<Database> {
  const database = await openTables(settingsOf(databaseModule), migrations)
  const { newer } = database
  if (newer.length > 0) log.warn({ newer }, 'the database was changed by a newer release')
  return database
}

/**
 * Tries again what may pass: it would not help to end and to be started again. Does `meanwhile` before each new try.
 * @throws AbortError
 */
export async function keepTrying<T>(
  work: () => Promise<T>,
  { log, mayPass, stop }: { log: Log; mayPass: (error: unknown) => boolean; stop: AbortSignal },
  meanwhile?: (error: unknown) => Promise<void>,
): Promise<T> {
  for (let said = ''; ; ) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Error) || !mayPass(error)) throw error
      if (error.message !== said) log.error(`${error.message}: waiting until that is over`)
      said = error.message
      await meanwhile?.(error)
      await delay(1000, undefined, { signal: stop })
    }
  }
}

/** What a role or a command has that writes. */
export function recordsOf(settingsOf: SettingsOf, database: Database, log: Log): DataContext {
  return {
    log,
    database,
    health: new Health(database, healthParts),
    metrics: new Metrics(database, metrics),
    store: new Store(settingsOf(storeModule), log),
    links: new Links(settingsOf(linksModule), database),
  }
}
