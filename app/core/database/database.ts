import { AsyncLocalStorage } from 'node:async_hooks'
import { open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QueryTypes, Sequelize, Transaction } from 'sequelize'
import { codeOf, StartError } from '../errors.ts'
import { makeFolder } from '../make-folder.ts'
import { DatabaseLocked, DatabaseUnwritable, isDamage, isFull, sqliteCode } from './errors.ts'
import { applyMigrations, type Migration } from './migrations.ts'
import { type Read, Reader, type Row } from './reader.ts'
import { Reserve } from './reserve.ts'
import { type DatabaseSettings, databaseFile } from './settings.ts'
import sqliteDialect, { type Database as Connection, openSqlite } from './sqlite.ts'

export interface Database extends AsyncDisposable {
  /** Path of the database; what else must outlive the process lies beside it. */
  readonly file: string
  readonly sequelize: Sequelize
  /** Given up by itself when a statement meets a full disk; whoever watches the disk takes it again. */
  readonly reserve: Reserve
  /**
   * Runs `work` in one write transaction, or in the caller's when there is one; every query inside joins it
   * without being told. A throw rolls back. Keep it short: others of this process wait for it.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  /** Runs `action` when the caller's transaction has committed, never if it fails, or at once when there is none. */
  afterCommit(action: () => void): void
  /** Rows of one SQL statement with `$1`, `$2` … in it; also of UPDATE … RETURNING. Undefined is written as NULL. */
  query<R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]>
  /** Whether a statement has met damage: the rest of the file may be well. */
  readonly isDamaged: boolean
  /** Whether its file was in its place at the last {@link look}: removed or replaced, it goes with this process. */
  readonly isInPlace: boolean
  /** Looks whether its file is still the one that was opened. */
  look(): Promise<void>
  /** Migrations that only a newer release knows; none of them is breaking. */
  readonly newer: string[]
  /** Prepares a SELECT with `?` places that is read thousands of times a second, past Sequelize (10 times faster). */
  prepare<R extends Row>(sql: string): Read<R>
}

// Sequelize asks this namespace for the current transaction, so that a query inside one cannot miss it.
const current = new AsyncLocalStorage<Map<string, unknown>>()
Sequelize.useCLS({
  get: (key: string) => current.getStore()?.get(key),
  set: (key: string, value: unknown) => current.getStore()?.set(key, value),
  run: (work: (context: object) => void) => current.run(new Map(current.getStore()), () => work({})),
  bind: (work: object) => work,
} as unknown as Parameters<typeof Sequelize.useCLS>[0])

/**
 * Opens the database, creating file and folder when missing, and brings its tables up to date.
 * @throws StartError when the file cannot be used; DatabaseLocked or DatabaseUnwritable when it cannot be now
 */
export async function openDatabase(settings: DatabaseSettings, migrations: Migration[]): Promise<Database> {
  const file = databaseFile(settings)
  await createFile(file)
  const sequelize = new Sequelize({
    dialect: 'sqlite',
    dialectModule: sqliteDialect,
    storage: file,
    logging: false,
    transactionType: Transaction.TYPES.IMMEDIATE,
    define: { timestamps: false },
    // The dialect waits for its turn by itself; asking again in the same tick helps nobody.
    retry: { max: 1 },
  })
  const reserve = reserveOf(settings)
  let reader: Reader | undefined
  let isDamaged = false
  let isInPlace = true
  const again = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      isDamaged ||= isDamage(error)
      if (!isFull(error) || !(await reserve.release())) throw error
      return await work()
    } finally {
      reader?.renew()
    }
  }
  // Sequelize leaves a null where one has ended.
  const transactionNow = () =>
    (current.getStore()?.get('transaction') ?? undefined) as Transaction | undefined
  let last: Promise<unknown> = Promise.resolve()
  // One writes at a time in any case; waiting here, each waits without a connection of its own.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
  // Sequelize's own hooks run after a COMMIT that failed as well.
  const afterwards = new WeakMap<Transaction, (() => void)[]>()
  const transaction = async <T>(work: () => Promise<T>) => {
    if (transactionNow()) return await work()
    let actions: (() => void)[] = []
    const attempt = (running: Transaction) => {
      actions = []
      afterwards.set(running, actions)
      return work()
    }
    const result = await inTurn(() => again(() => sequelize.transaction(attempt)))
    for (const action of actions) action()
    return result
  }
  const query = <R extends Row>(sql: string, ...parameters: unknown[]) => {
    const bind = parameters.map((value) => value ?? null)
    const transaction = transactionNow()
    const connection = transaction && connectionOf(transaction)
    if (connection) return rowsOf<R>(connection, sql, bind)
    const run = () => sequelize.query<R>(sql, { bind, type: QueryTypes.SELECT })
    return transaction ? run() : again(run)
  }
  const afterCommit = (action: () => void) => {
    const running = transactionNow()
    const actions = running && afterwards.get(running)
    if (actions) actions.push(action)
    else action()
  }
  const database = { sequelize, file, reserve, transaction, query, afterCommit }
  const newer = await applyMigrations(database, migrations).catch(async (error) => {
    await sequelize.close()
    throw refusal(file, error)
  })

  const { dev, ino } = await stat(file)
  const look = async () => {
    const found = await stat(file).catch((error) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
    isInPlace = found?.dev === dev && found.ino === ino
  }
  const reads = new Reader(openSqlite(file))
  reader = reads
  return {
    ...database,
    newer,
    get isDamaged() {
      return isDamaged
    },
    get isInPlace() {
      return isInPlace
    },
    look,
    prepare: <R extends Row>(sql: string) => {
      const read = reads.prepare<R>(sql)
      return async (...parameters: (string | number)[]) => read(...parameters)
    },
    async [Symbol.asyncDispose]() {
      reads.close()
      await sequelize.close()
    },
  }
}

/** The connection of a transaction that runs; one that has ended is left to Sequelize, which refuses its statements. */
function connectionOf(transaction: Transaction): Connection | undefined {
  const { connection, finished } = transaction as unknown as { connection?: Connection; finished?: string }
  return finished === undefined ? connection : undefined
}

/**
 * Runs a statement past Sequelize, whose share is most of its time, and a third of that of a link, as long as the engine
 * has not compiled it. A transaction needs nothing of that: it has its connection, and its errors end it.
 */
function rowsOf<R extends Row>(connection: Connection, sql: string, values: unknown[]): Promise<R[]> {
  const named = Object.fromEntries(values.map((value, at) => [`$${at + 1}`, value]))
  return new Promise((resolve, reject) => {
    connection.all(sql, named, (error, rows) => (error ? reject(error) : resolve(rows as R[])))
  })
}

/** The room that is kept for a database. */
export function reserveOf(settings: DatabaseSettings): Reserve {
  return new Reserve(`${databaseFile(settings)}.reserve`)
}

/** SQLite gives its -wal and -shm files the mode of this one, so that another role's user can write to all three. */
async function createFile(file: string): Promise<void> {
  try {
    await makeFolder(dirname(file))
    const created = await open(file, 'ax').catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    if (created) await created.chmod(0o660).finally(() => created.close())
    else await (await open(file, 'a')).close()
  } catch (error) {
    const code = codeOf(error)
    const fault = `DATABASE_URL: ${file} cannot be opened for writing (${code})`
    // Of one that is there, the disk has become read-only; a folder in which none can be made is a mistake.
    const isThere = await stat(file).then(
      ({ size }) => size > 0,
      () => false,
    )
    throw code === 'EROFS' && isThere
      ? new DatabaseUnwritable(fault, 'its disk is read-only')
      : new StartError(fault)
  }
}

/** What a failed start says. */
function refusal(file: string, error: Error): StartError {
  if (error instanceof StartError) return error
  const code = sqliteCode(error)
  switch (code) {
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return new DatabaseLocked(`DATABASE_URL: ${file} is locked by another program`)
    case 'SQLITE_CORRUPT':
    case 'SQLITE_NOTADB':
      return new StartError(
        `DATABASE_URL: ${file} is damaged, or no database (${code}); put back a backup, or move it away together ` +
          'with its -wal and -shm files',
      )
    case 'SQLITE_FULL':
      return new DatabaseUnwritable(`DATABASE_URL: the disk of ${file} is full`, 'its disk is full')
    case 'SQLITE_READONLY':
      return new DatabaseUnwritable(
        `DATABASE_URL: ${file} cannot be written to (${code})`,
        'it may only be read',
      )
    default:
      return new StartError(`DATABASE_URL: ${file} cannot be used as a database (${error.message})`)
  }
}
