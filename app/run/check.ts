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
import { hasLinks } from '../links/index.ts'
import type { Role } from '../roles.ts'
import { isUnknownTo, whyAbsent } from '../store/index.ts'
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
    if (database) faults.push(...breakingChanges(rows, migrations))
    if (storePath !== undefined) faults.push(...(await storeFaults(storePath, database)))
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

async function storeFaults(storePath: string, database: WebQueries | undefined): Promise<string[]> {
  const describing = database && (await database.hasTable('store')) ? database : undefined
  const absence = describing && (await whyAbsent(storePath, describing))
  if (absence !== undefined) return [`STORAGE_PATH: the store is not at ${storePath}: ${absence}`]
  // A release before there were ids knows its store by its links.
  if ((database && (await hasLinks(database))) || !(await isUnknownTo(describing, storePath))) return []
  return [
    `DATABASE_URL: this database is empty, and ${storePath} holds the files of another one. To take a database along: tgdepot move-database`,
  ]
}

/** Whether a file is not there; other errors are the caller's. */
function isMissing(error: unknown): true {
  if (codeOf(error) === 'ENOENT') return true
  throw error
}
