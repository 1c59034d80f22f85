import { closeSync, openSync, readSync, realpathSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StartError } from '../errors.ts'

/** Where SQLite keeps `user_version` in a file (sqlite.org/fileformat2.html): here, the holder's process id. */
const pidOffset = 60

/**
 * Held by one process for as long as it lives: the kernel takes it back at any death. Node has no lock of its own, so
 * it is SQLite's on a small file beside `file`. Never open that file a second time in the process that holds the
 * lock: closing any descriptor of it gives the lock up (fcntl(2)). Whatever name `file` is given by, it is one lock.
 * @throws StartError when another process holds it
 */
export function holdLock(file: string): Disposable {
  let path = `${file}.lock`
  let database: DatabaseSync | undefined
  try {
    path = `${realpathSync(file)}.lock`
    database = new DatabaseSync(path, { timeout: 0 })
    // The lock outlives its transaction, so that the process id can be read from outside.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    throw refusal(path, error)
  }
  sign(database)
  const held = database
  return { [Symbol.dispose]: () => held.close() }
}

/** The process id is for people; without room on the disk for it, the lock is held all the same. */
function sign(database: DatabaseSync): void {
  try {
    database.exec(`PRAGMA user_version = ${process.pid}; COMMIT`)
  } catch {
    if (database.isTransaction) database.exec('ROLLBACK')
  }
}

function refusal(path: string, error: unknown): StartError {
  const isHeld = error instanceof Error && 'errcode' in error && error.errcode === 5
  if (!isHeld) return new StartError(`DATABASE_URL: ${path} cannot be locked (${String(error)})`)
  const pid = holderOf(path)
  return new StartError(
    `DATABASE_URL: another bot${pid === undefined ? '' : `, process ${pid},`} works with this database; two would ` +
      'answer every message twice and take files from each other: stop one of them',
  )
}

function holderOf(path: string): number | undefined {
  const bytes = Buffer.alloc(4)
  try {
    const file = openSync(path, 'r')
    try {
      readSync(file, bytes, { position: pidOffset })
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
  return bytes.readUInt32BE() || undefined
}
