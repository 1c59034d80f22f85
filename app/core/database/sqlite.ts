// Node's own SQLite in the shape of the `sqlite3` package, as far as Sequelize 6 uses it (its `dialectModule`).
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers'

type Callback = (this: Statement, error: Error | null, rows?: unknown[]) => void
type Parameters = unknown[] | Record<string, unknown>

/** What a callback gets as `this`; Sequelize looks at the class's name. */
class Statement {
  lastID: number | bigint = 0
  changes: number | bigint = 0
}

/** Set on every connection: WAL survives a power cut only with synchronous=FULL (sqlite.org/pragma.html). */
const pragmas = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA journal_size_limit = 67108864;
`

/** Milliseconds a statement waits, blocking the process, while another process writes. */
const busyTimeout = 5000

/** Opens `filename` with this context's pragmas. */
export function openSqlite(filename: string): DatabaseSync {
  const database = new DatabaseSync(filename, { timeout: busyTimeout })
  try {
    database.exec(pragmas)
    return database
  } catch (error) {
    database.close()
    throw withSqliteCode(error as Error)
  }
}

/**
 * Who may write to one database file in this process. SQLite has one writer at a time and `node:sqlite` waits for
 * it by blocking the event loop; a second writer of the same process would block the very loop that the first one
 * needs to finish. So a transaction holds the gate from its BEGIN on, and others wait for it without blocking.
 */
class WriteGate {
  #holder: Database | undefined
  readonly #waiting: { connection: Database; run: () => void }[] = []

  enter(connection: Database, run: () => void): void {
    if (this.#holder === undefined || this.#holder === connection) run()
    else this.#waiting.push({ connection, run })
  }

  hold(connection: Database): void {
    this.#holder = connection
  }

  release(connection: Database): void {
    if (this.#holder !== connection) return
    this.#holder = undefined
    this.#next()
  }

  /** One at a time, with a turn of the event loop in between: each writes to the disk. */
  #next(): void {
    if (this.#holder !== undefined) return
    this.#waiting.shift()?.run()
    if (this.#waiting.length > 0) setImmediate(() => this.#next())
  }
}

interface Handle {
  database: DatabaseSync
  statements: Map<string, StatementSync>
}

/** What the connections of this process to one database file share. */
interface Shared {
  gate: WriteGate
  open: number
  /** Handles for the next transactions: Sequelize makes a connection for each, and opening one costs more than it. */
  idle: Handle[]
}

const files = new Map<string, Shared>()
const maxIdle = 2
const maxStatements = 500

export class Database {
  readonly filename: string
  /** Set by Sequelize: the transaction's id, or `default`. */
  uuid?: string
  readonly #handle: Handle
  readonly #shared: Shared
  #isClosed = false

  constructor(filename: string, _mode: number, done: (error: Error | null) => void) {
    this.filename = filename
    this.#shared = files.get(filename) ?? { gate: new WriteGate(), open: 0, idle: [] }
    files.set(filename, this.#shared)
    this.#handle = this.#shared.idle.pop() ?? { database: openSqlite(filename), statements: new Map() }
    this.#shared.open++
    setImmediate(done, null)
  }

  run(sql: string, parameters: Parameters | Callback = [], done?: Callback): this {
    if (typeof parameters === 'function') return this.run(sql, [], parameters)
    const execute = () => {
      const begins = /^\s*BEGIN\b/i.test(sql)
      const ends = /^\s*(COMMIT|END|ROLLBACK(?!\s+TO))\b/i.test(sql)
      const { error, rows, outcome } = this.#execute(sql, parameters)
      if (begins && !error) this.#shared.gate.hold(this)
      // Sequelize forgets a connection whose COMMIT or ROLLBACK failed; its transaction would be open for ever.
      if (ends && error) this.close()
      else if (ends) this.#shared.gate.release(this)
      if (done) queueMicrotask(() => done.call(outcome, error, rows))
    }
    if (/^\s*(SELECT|PRAGMA|EXPLAIN)\b/i.test(sql)) execute()
    else this.#shared.gate.enter(this, execute)
    return this
  }

  all(sql: string, parameters: Parameters | Callback = [], done?: Callback): this {
    return this.run(sql, parameters, done)
  }

  exec(sql: string, done?: (error: Error | null) => void): this {
    return this.run(sql, [], done && ((error) => done(error)))
  }

  /** Sequelize takes a stack at each statement, which costs more than most statements do: they get none. */
  serialize(run?: () => void): void {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      run?.()
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  close(done?: (error: Error | null) => void): void {
    if (!this.#isClosed) this.#giveBack()
    this.#isClosed = true
    if (done) queueMicrotask(() => done(null))
  }

  #giveBack(): void {
    const { gate, idle } = this.#shared
    const { database } = this.#handle
    this.#shared.open--
    if (this.#shared.open > 0 && idle.length < maxIdle && !database.isTransaction) idle.push(this.#handle)
    else database.close()
    if (this.#shared.open === 0) for (const handle of idle.splice(0)) handle.database.close()
    gate.release(this)
  }

  #execute(sql: string, parameters: Parameters) {
    const outcome = new Statement()
    try {
      const statement = this.#prepare(sql)
      const [named, places] = bindable(parameters)
      if (statement.columns().length > 0) {
        return { error: null, rows: statement.all(named, ...places), outcome }
      }
      const { lastInsertRowid, changes } = statement.run(named, ...places)
      Object.assign(outcome, { lastID: lastInsertRowid, changes })
      return { error: null, rows: [], outcome }
    } catch (error) {
      return { error: withSqliteCode(error as Error), rows: [], outcome }
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#handle.statements.get(sql)
    if (known) return known
    const statement = this.#handle.database.prepare(sql)
    statement.setAllowUnknownNamedParameters(true)
    const oldest = this.#handle.statements.keys().next().value
    if (this.#handle.statements.size >= maxStatements && oldest !== undefined)
      this.#handle.statements.delete(oldest)
    this.#handle.statements.set(sql, statement)
    return statement
  }
}

type Bound = [named: Record<string, SQLInputValue>, places: SQLInputValue[]]

function bindable(parameters: Parameters): Bound {
  if (Array.isArray(parameters)) return [{}, parameters.map(bindableValue)]
  const named = Object.entries(parameters).map(([name, value]) => [name, bindableValue(value)])
  return [Object.fromEntries(named), []]
}

function bindableValue(value: unknown): SQLInputValue {
  if (value === undefined) return null
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Date) return value.toISOString()
  return value as SQLInputValue
}

// Primary result codes (sqlite.org/rescode.html) under the names by which Sequelize tells its errors apart.
const codes: Record<number, string> = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  19: 'SQLITE_CONSTRAINT',
  26: 'SQLITE_NOTADB',
}

/** SQLITE_IOERR_SHMSIZE: no room for the -shm file, which the first connection makes. */
const noRoomToOpen = 4874

function withSqliteCode(error: Error): Error {
  if (!('errcode' in error) || typeof error.errcode !== 'number') return error
  const code = codes[error.errcode === noRoomToOpen ? 13 : error.errcode & 0xff] ?? 'SQLITE_ERROR'
  return Object.assign(error, { code, message: `${code}: ${error.message}` })
}

export const OPEN_READONLY = 1
export const OPEN_READWRITE = 2
export const OPEN_CREATE = 4
export default { Database, OPEN_READONLY, OPEN_READWRITE, OPEN_CREATE }
