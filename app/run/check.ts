import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { breakingChanges, pendingChanges } from '../core/database/migrations.ts'
import type { Queries } from '../core/database/reader.ts'
import { databaseFile } from '../core/database/settings.ts'
import { WebDatabase } from '../core/database/web-database.ts'
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
  const file = databaseFile(settingsOf(databaseModule))
  // The web role leaves the files to nginx, and on an installed machine it cannot see them.
  const storePath = has('bot') ? settingsOf(storeModule).STORAGE_PATH : undefined
  const socket = has('web') ? settingsOf(httpModule).SERVER_SOCKET : undefined
  const faults: string[] = []
  const pending: string[] = []
  try {
    const isNew = await stat(file).then(({ size }) => size === 0, isMissing)
    using database = isNew ? undefined : new WebDatabase(file, log)
    const rows = database ? await appliedTo(database) : []
    if (rows.length > 0) pending.push(...pendingChanges(rows, migrations))
    if (database) faults.push(...breakingChanges(rows, migrations), ...(await absenceOf(storePath, database)))
  } catch (error) {
    const reason = error instanceof Unavailable ? error.message : codeOf(error)
    faults.push(`DATABASE_URL: ${file} cannot be read (${reason})`)
  }
  if (socket !== undefined) {
    await access(dirname(socket)).catch((error) =>
      faults.push(`SERVER_SOCKET: ${dirname(socket)} cannot be reached (${codeOf(error)})`),
    )
  }
  return { faults, pending }
}

const hasTable = async (database: Queries, name: string) =>
  (await database.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1", name)).length > 0

async function appliedTo(database: Queries): Promise<{ name: string; breaking?: number }[]> {
  return (await hasTable(database, 'migrations')) ? await database.query('SELECT * FROM migrations') : []
}

async function absenceOf(storePath: string | undefined, database: Queries): Promise<string[]> {
  if (storePath === undefined) return []
  const absence = (await hasTable(database, 'store')) ? await whyAbsent(storePath, database) : undefined
  return absence === undefined ? [] : [`STORAGE_PATH: the store is not at ${storePath}: ${absence}`]
}

/** Whether a file is not there; other errors are the caller's. */
function isMissing(error: unknown): true {
  if (codeOf(error) === 'ENOENT') return true
  throw error
}
