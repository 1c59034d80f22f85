import { type Stats, statSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Unavailable } from '../errors.ts'
import type { Log } from '../log.ts'
import { Outages, patience, pause } from './outages.ts'
import { type Read, Reader, type Row, type WebQueries } from './reader.ts'

/** Milliseconds after which it is asked again whether the open file is still the one under its name. */
const lookAgain = 1000
/**
 * The database as the web role has it. It never waits inside SQLite, which would hold up every visitor: a lock is asked
 * for again later. It takes no write lock to read, makes no file and no table, and needs no right to write: a database
 * that is missing, locked or not ready yet makes answers late or {@link Unavailable}, and is found again by itself.
 */
export class WebDatabase implements WebQueries {
  readonly #file: string
  readonly #log: Log
  #open: { reader: Reader; facts: Facts; isFrozen: boolean } | undefined
  #lookedAt = 0
  readonly #outages: Outages

  constructor(file: string, log: Log) {
    this.#file = file
    this.#log = log
    this.#outages = new Outages(log)
  }

  prepare<R extends Row>(sql: string): Read<R> {
    let owner: Reader | undefined
    let read: (...parameters: (string | number)[]) => R | undefined
    return (...parameters) =>
      this.#read(sql, (reader) => {
        if (reader !== owner) {
          read = reader.prepare<R>(sql)
          owner = reader
        }
        return read(...parameters)
      })
  }

  async query<R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]> {
    const values = parameters.map((value) => (value ?? null) as SQLInputValue)
    if (/^\s*SELECT\b/i.test(sql)) return await this.#read(sql, (reader) => reader.all<R>(sql, values))
    return await this.#write<R>(sql, values)
  }

  /**
   * Lets go of the file until the next read. The connections of a process share what SQLite has of a database: while one
   * has opened its -shm file on a read-only disk, no other can write, even when the disk takes writes again.
   */
  release(): void {
    this.#close()
  }

  /** Whether there is a table of this name. */
  async hasTable(name: string): Promise<boolean> {
    const sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1"
    return (await this.query(sql, name)).length > 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outages.close()
    this.#close()
  }

  async #read<T>(sql: string, work: (reader: Reader) => T): Promise<T> {
    // Thousands a second: what goes well takes no way round.
    if (!this.#outages.isOngoing) {
      try {
        return work(this.#reader())
      } catch (error) {
        if (!isSqlite(error)) throw error
      }
    }
    const attempt = () => {
      try {
        return work(this.#reader())
      } catch (error) {
        if (isSqlite(error)) this.#close()
        throw error
      }
    }
    return await this.#outages.read(sql, attempt, whatIs)
  }

  #reader(): Reader {
    if (performance.now() - this.#lookedAt > lookAgain) this.#look()
    if (!this.#open) {
      const [connection, isFrozen] = openToRead(this.#file)
      this.#open = { reader: new Reader(connection), facts: factsOf(this.#file), isFrozen }
    }
    return this.#open.reader
  }

  /** Notices that another file took the name, say a backup, or that a frozen one has a writer now. */
  #look(): void {
    this.#lookedAt = performance.now()
    if (!this.#open) return
    const { facts, isFrozen } = this.#open
    const now = factsOf(this.#file)
    // Taken away, the last one is still as good as none.
    if (!now.file) return
    const isOther = !isSame(now.file, facts.file) || !isSame(now.index, facts.index)
    const isStale = isFrozen && (hasLog(this.#file) || now.file.mtimeMs !== facts.file?.mtimeMs)
    if (isOther || isStale) this.#close()
  }

  #close(): void {
    this.#open?.reader.close()
    this.#open = undefined
  }

  async #write<R extends Row>(sql: string, parameters: SQLInputValue[]): Promise<R[]> {
    const end = performance.now() + patience
    for (;;) {
      try {
        return writeOnce<R>(this.#file, sql, parameters)
      } catch (error) {
        if (!isSqlite(error)) throw error
        if (primaryCode(error) !== busy || performance.now() > end) {
          this.#log.warn({ reason: error.message }, 'the database cannot be written to')
          throw new Unavailable('the database cannot be written to')
        }
      }
      await delay(pause)
    }
  }
}

/** An empty one is what an opening left that had no room for the rest. */
const hasLog = (file: string) => (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0

/**
 * The files that a connection holds. A backup may be copied into the database's own file: that it is another one is told
 * by the index of its log alone, which whoever puts a backup back takes away, and the next writer makes anew.
 */
interface Facts {
  file: Stats | undefined
  index: Stats | undefined
}

/** Answered from memory, so it is asked without letting go: the very next read shall be of the right file. */
function factsOf(file: string): Facts {
  const of = (path: string) => statSync(path, { throwIfNoEntry: false })
  return { file: of(file), index: of(`${file}-shm`) }
}

const isSame = (one: Stats | undefined, other: Stats | undefined) =>
  one?.dev === other?.dev && one?.ino === other?.ino

/**
 * Opens a database of which nothing but reading is allowed. The second value: whether it was opened as one that nobody
 * changes. SQLite wants its -wal and -shm files even to read; where they are not there and the folder, or a full disk, allows none
 * to be made, all that was ever written is in the one file.
 */
function openToRead(file: string): [DatabaseSync, isFrozen: boolean] {
  const connection = new DatabaseSync(file, { readOnly: true, timeout: 0 })
  try {
    // Opening reads nothing; this reads the first page, under the lock of every reader.
    connection.exec('PRAGMA schema_version')
    return [connection, false]
  } catch (error) {
    connection.close()
    if (!isSqlite(error) || !isKeptFromOpening(error) || hasLog(file)) throw error
    const frozen = new URL(pathToFileURL(file))
    frozen.searchParams.set('immutable', '1')
    return [new DatabaseSync(frozen, { readOnly: true, timeout: 0 }), true]
  }
}

/**
 * One statement on a connection of its own, which waits neither for a lock nor for the disk: the row need not survive a
 * power cut, and the log is moved into the database by the role that writes it.
 */
function writeOnce<R extends Row>(file: string, sql: string, parameters: SQLInputValue[]): R[] {
  const existing = new URL(pathToFileURL(file))
  existing.searchParams.set('mode', 'rw')
  using connection = new DatabaseSync(existing, { timeout: 0 })
  connection.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
  const named = Object.fromEntries(parameters.map((value, at) => [`$${at + 1}`, value]))
  return connection.prepare(sql).all(named) as R[]
}

// Primary result codes: sqlite.org/rescode.html.
const busy = 5
const readOnly = 8
const cannotOpen = 14
/** SQLITE_IOERR_SHMSIZE: no room for the -shm file. */
const noRoomToOpen = 4874

type SqliteError = Error & { errcode: number }

const isSqlite = (error: unknown): error is SqliteError =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'

const primaryCode = ({ errcode }: SqliteError) => errcode & 0xff

const isKeptFromOpening = (error: SqliteError) =>
  error.errcode === noRoomToOpen || [readOnly, cannotOpen].includes(primaryCode(error))

/** BUSY, LOCKED, READONLY, CANTOPEN, PROTOCOL, NOTADB: the same for every statement. An IOERR may be one bad page. */
const isOutage = (error: SqliteError) => [5, 6, 8, 14, 15, 26].includes(primaryCode(error))

const whatIs = (error: unknown) => {
  if (!isSqlite(error)) return 'fault'
  return isOutage(error) ? 'outage' : 'refusal'
}
