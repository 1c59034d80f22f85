import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, Unavailable } from './core/errors.ts'
import type { Log } from './core/log.ts'
import { breakingChanges, type Migration } from './core/migrations.ts'
import type { Queries } from './core/reader.ts'
import { WebDatabase } from './core/web-database.ts'
import { whyAbsent } from './store/index.ts'

interface Subject {
  databaseFile: string
  /** The store's folder, if these roles touch it. */
  storePath: string | undefined
  /** The socket that the web role opens, if it opens one. */
  socket: string | undefined
  migrations: Migration[]
}

/** What would keep a release from working here, a sentence each. Changes nothing, and needs no right to. */
export async function findFaults(subject: Subject, log: Log): Promise<string[]> {
  const { databaseFile, storePath, socket, migrations } = subject
  const faults: string[] = []
  try {
    const isNew = await stat(databaseFile).then(({ size }) => size === 0, isMissing)
    using database = isNew ? undefined : new WebDatabase(databaseFile, log)
    if (database) faults.push(...(await faultsOf(database, storePath, migrations)))
  } catch (error) {
    const reason = error instanceof Unavailable ? error.message : codeOf(error)
    faults.push(`DATABASE_URL: ${databaseFile} cannot be read (${reason})`)
  }
  if (socket !== undefined) {
    await access(dirname(socket)).catch((error) =>
      faults.push(`SERVER_SOCKET: ${dirname(socket)} cannot be reached (${codeOf(error)})`),
    )
  }
  return faults
}

async function faultsOf(
  database: Queries,
  storePath: string | undefined,
  migrations: Migration[],
): Promise<string[]> {
  const tables = await database.query<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
  const has = (table: string) => tables.some(({ name }) => name === table)
  const faults: string[] = []
  if (has('migrations')) {
    const rows = await database.query<{ name: string; breaking?: number }>('SELECT * FROM migrations')
    faults.push(...breakingChanges(rows, migrations))
  }
  const absence = storePath !== undefined && has('store') ? await whyAbsent(storePath, database) : undefined
  if (absence !== undefined) faults.push(`STORAGE_PATH: the store is not at ${storePath}: ${absence}`)
  return faults
}

/** Whether a file is not there; other errors are the caller's. */
function isMissing(error: unknown): true {
  if (codeOf(error) === 'ENOENT') return true
  throw error
}
