import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { openQueries } from '../core/database/database.ts'
import { breakingChanges, type Migration, pendingChanges } from '../core/database/migrations.ts'
import type { WebQueries } from '../core/database/reader.ts'
import { type DatabaseSettings, databaseFile, nameOf, placeOf } from '../core/database/settings.ts'
import { codeOf, Unavailable } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { whyAbsent } from '../store/index.ts'

interface Subject {
  database: DatabaseSettings
  /** The store's folder, if these roles touch it. */
  storePath: string | undefined
  /** The socket that the web role opens, if it opens one. */
  socket: string | undefined
  migrations: Migration[]
}

interface Findings {
  /** What would keep a release from working here, a sentence each. */
  faults: string[]
  /** The changes that the bot makes to an older database first; until then not every answer can be had of it. */
  pending: string[]
}

/** Looks at what a release finds here. Changes nothing, and needs no right to. */
export async function findFaults(subject: Subject, log: Log): Promise<Findings> {
  const { storePath, socket, migrations } = subject
  const file = databaseFile(subject.database)
  const faults: string[] = []
  const pending: string[] = []
  try {
    const isNew = file !== undefined && (await stat(file).then(({ size }) => size === 0, isMissing))
    await using database = isNew ? undefined : await openQueries(subject.database, log)
    const rows = database ? await appliedTo(database) : []
    if (rows.length > 0) pending.push(...pendingChanges(rows, migrations))
    if (database) faults.push(...breakingChanges(rows, migrations), ...(await absenceOf(storePath, database)))
  } catch (error) {
    const reason = error instanceof Unavailable ? error.message : codeOf(error)
    faults.push(`DATABASE_URL: ${nameOf(placeOf(subject.database))} cannot be read (${reason})`)
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
