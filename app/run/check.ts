import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { openQueries } from '../core/database/database.ts'
import { breakingChanges, pendingChanges } from '../core/database/migrations.ts'
import type { WebQueries } from '../core/database/reader.ts'
import { databaseFile, nameOf, placeOf } from '../core/database/settings.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { codeOf, Unavailable } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { databaseModule, httpModule } from '../core/module.ts'
import { migrations } from '../declarations.ts'
import type { Role } from '../roles.ts'
import { whyAbsent } from '../store/index.ts'
import { storeModule } from '../store/module.ts'

interface Findings {
  /** What would keep a release from working here, a sentence each. */
  faults: string[]
  /** The changes that the bot makes to an older database first; until then not every answer can be had of it. */
  pending: string[]
}

/** Looks at what a release finds here for these roles. Changes nothing, and needs no right to. */
export async function findFaults(roles: Role[], settingsOf: SettingsOf, log: Log): Promise<Findings> {
  const has = (name: string) => roles.some((role) => role.name === name)
  const ofDatabase = settingsOf(databaseModule)
  const file = databaseFile(ofDatabase)
  // The web role leaves the files to nginx, and on an installed machine it cannot see them.
  const storePath = has('bot') ? settingsOf(storeModule).STORAGE_PATH : undefined
  const socket = has('web') ? settingsOf(httpModule).SERVER_SOCKET : undefined
  const faults: string[] = []
  const pending: string[] = []
  try {
    const isNew = file !== undefined && (await stat(file).then(({ size }) => size === 0, isMissing))
    await using database = isNew ? undefined : await openQueries(ofDatabase, log)
    const rows = database ? await appliedTo(database) : []
    if (rows.length > 0) pending.push(...pendingChanges(rows, migrations))
    if (database) faults.push(...breakingChanges(rows, migrations), ...(await absenceOf(storePath, database)))
  } catch (error) {
    const reason = error instanceof Unavailable ? error.message : codeOf(error)
    faults.push(`DATABASE_URL: ${nameOf(placeOf(ofDatabase))} cannot be read (${reason})`)
  }
  if (socket !== undefined) {
    await access(dirname(socket)).catch((error) =>
      faults.push(`SERVER_SOCKET: ${dirname(socket)} cannot be reached (${codeOf(error)})`),
    )
  }
  return { faults, pending }
}

async function appliedTo(database: WebQueries): Promise<{ name: string; breaking?: number }[]> {
  return (await database.hasTable('migrations')) ? await database.query('SELECT * FROM migrations') : []
}

async function absenceOf(storePath: string | undefined, database: WebQueries): Promise<string[]> {
  if (storePath === undefined) return []
  const absence = (await database.hasTable('store')) ? await whyAbsent(storePath, database) : undefined
  return absence === undefined ? [] : [`STORAGE_PATH: the store is not at ${storePath}: ${absence}`]
}

/** Whether a file is not there; other errors are the caller's. */
function isMissing(error: unknown): true {
  if (codeOf(error) === 'ENOENT') return true
  throw error
}
