import { open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QueryTypes, Sequelize, Transaction } from 'sequelize'
import { codeOf, StartError } from '../errors.ts'
import { makeFolder } from '../make-folder.ts'
import type { Database } from './database.ts'
import { DatabaseLocked, DatabaseUnwritable, driverCode, isDamage, isFull } from './errors.ts'
import { Listeners } from './listeners.ts'
import { holdLock } from './lock.ts'
import { applyMigrations, type Migration } from './migrations.ts'
import type { RowOf, Table } from './model.ts'
import { Reader, type Row } from './reader.ts'
import { reserveOf } from './reserve.ts'
import { rowsOf } from './rows.ts'
import type { SqlitePlace } from './settings.ts'
import sqliteDialect, { type Database as Connection, openSqlite } from './sqlite.ts'
import { Transactions } from './transactions.ts'

/** See `openDatabase`. */
export async function openSqliteDatabase({ file }: SqlitePlace, migrations: Migration[]): Promise<Database> {
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
  const reserve = reserveOf(file)
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
  const transactions = new Transactions(sequelize)
  let last: Promise<unknown> = Promise.resolve()
  // One writes at a time in any case; waiting here, each waits without a connection of its own.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
  const transaction = <T>(work: () => Promise<T>) =>
    transactions.run(work, (attempt) => inTurn(() => again(attempt)))
  const query = <R extends Row>(sql: string, ...parameters: unknown[]) => {
    const bind = parameters.map((value) => value ?? null)
    const { running } = transactions
    const connection = running && connectionOf(running)
    if (connection) return allOn<R>(connection, sql, bind)
    const run = () => sequelize.query<R>(sql, { bind, type: QueryTypes.SELECT, transaction: running ?? null })
    return running ? run() : again(run)
  }
  const afterCommit = (action: () => void) => transactions.afterCommit(action)
  const listeners = new Listeners()
  const database = {
    dialect: 'sqlite' as const,
    sequelize,
    file,
    reserve,
    transaction,
    // Whoever writes is alone.
    serialize: async () => {},
    query,
    rows: <T extends Table>(of: T, where?: Partial<RowOf<T>>) => {
      const run = () => rowsOf(sequelize, of, where, transactions.running)
      return transactions.running ? run() : again(run)
    },
    afterCommit,
    // No other process hears it.
    notify: async (channel: string) => afterCommit(() => listeners.tell(channel)),
    listen: (channel: string, listener: () => void) => listeners.add(channel, listener),
    besides: (name: string) => `${file}.${name}`,
  }
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
    lock: async () => {
      const lock = holdLock(file)
      return { [Symbol.asyncDispose]: async () => lock[Symbol.dispose]() }
    },
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
function allOn<R extends Row>(connection: Connection, sql: string, values: unknown[]): Promise<R[]> {
  const named = Object.fromEntries(values.map((value, at) => [`$${at + 1}`, value]))
  return new Promise((resolve, reject) => {
    connection.all(sql, named, (error, rows) => (error ? reject(error) : resolve(rows as R[])))
  })
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
  const code = driverCode(error)
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
