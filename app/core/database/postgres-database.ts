import { join } from 'node:path'
import { QueryTypes, Sequelize, type Transaction } from 'sequelize'
import { StartError } from '../errors.ts'
import type { Database } from './database.ts'
import { DatabaseAway, DatabaseUnwritable, driverCode, isCutOff, isDamage, isDatabaseDown } from './errors.ts'
import { applyMigrations, type Migration } from './migrations.ts'
import type { RowOf, Table } from './model.ts'
import { dialectFor, openPool } from './postgres.ts'
import { PostgresListener } from './postgres-listener.ts'
import { prepareOn } from './prepared.ts'
import type { Row } from './reader.ts'
import { rowsOf } from './rows.ts'
import { nameOf, type PostgresPlace } from './settings.ts'
import { Transactions } from './transactions.ts'

/** Connections of a process; as many transactions run at once. */
const maxConnections = 8

/** Milliseconds. */
const timeouts = {
  /** That a statement waits for another transaction's rows: longer than any of ours lasts. */
  lock_timeout: 30_000,
  /** Between two statements of one transaction: a process that stands still holds up the others no longer. */
  idle_in_transaction_session_timeout: 15_000,
}

/** Runs of one transaction that the server asks to repeat, since it and another waited for each other. */
const maxRuns = 5

/** See `openDatabase`. */
export async function openPostgresDatabase(place: PostgresPlace, migrations: Migration[]): Promise<Database> {
  const sequelize = new Sequelize({
    dialect: 'postgres',
    dialectModule: dialectFor(place, timeouts),
    logging: false,
    define: { timestamps: false },
    pool: { max: maxConnections, idle: 60_000, acquire: 15_000 },
    dialectOptions: { clientMinMessages: 'ignore' },
  })
  const transactions = new Transactions(sequelize)
  let isDamaged = false
  const noted = (error: unknown) => {
    isDamaged ||= isDamage(error)
    return error
  }
  const transaction = <T>(work: () => Promise<T>) =>
    transactions.run(work, async (attempt) => {
      for (let run = 1; ; run++) {
        try {
          return await attempt()
        } catch (error) {
          if (!isCollision(error) || run === maxRuns) throw noted(error)
        }
      }
    })
  /** A connection takes one statement at a time: those of a transaction wait for each other. */
  const lines = new WeakMap<Transaction, Promise<unknown>>()
  const query = <R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]> => {
    const bind = parameters.map((value) => bindable(value))
    return inLine(() =>
      sequelize.query<R>(sql, { bind, type: QueryTypes.SELECT, transaction: transactions.running ?? null }),
    )
  }
  const inLine = async <T>(run: () => Promise<T>): Promise<T> => {
    const { running } = transactions
    if (!running) return await run().catch((error) => Promise.reject(noted(error)))
    const turn = (lines.get(running) ?? Promise.resolve()).then(run)
    lines.set(
      running,
      turn.catch(() => {}),
    )
    return await turn
  }
  const serialize = async (lock: string) => {
    await query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', lock)
  }
  const listener = new PostgresListener(place)
  const database = {
    dialect: 'postgres' as const,
    sequelize,
    file: undefined,
    reserve: undefined,
    transaction,
    serialize,
    query,
    rows: <T extends Table>(of: T, where?: Partial<RowOf<T>>) =>
      inLine(() => rowsOf(sequelize, of, where, transactions.running)),
    afterCommit: (action: () => void) => transactions.afterCommit(action),
    notify: async (channel: string) => void (await query('SELECT pg_notify($1, $2)', channel, '')),
    listen: (channel: string, called: () => void) => listener.listen(channel, called),
    besides: (file: string) => join(place.stateFolder, `tgdepot.${file}`),
  }
  const newer = await applyMigrations(database, migrations).catch(async (error) => {
    await sequelize.close()
    throw refusal(place, error)
  })
  const pool = openPool(place, 4)
  return {
    ...database,
    newer,
    get isDamaged() {
      return isDamaged
    },
    // It is on its server, which keeps what it has open.
    isInPlace: true,
    look: async () => {},
    lock: async () => ({ async [Symbol.asyncDispose]() {} }),
    prepare: <R extends Row>(sql: string) => prepareOn<R>(pool, sql),
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]()
      await pool.end()
      await sequelize.close()
    },
  }
}

function bindable(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value)
  // The one character that PostgreSQL keeps in no text.
  return typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : (value ?? null)
}

/** Whether two transactions waited for each other and this one gave way. */
function isCollision(error: unknown): boolean {
  return ['40P01', '40001'].includes(driverCode(error) ?? '')
}

/** What a failed start says. */
function refusal(place: PostgresPlace, error: Error): StartError {
  if (error instanceof StartError) return error
  const what = `DATABASE_URL: ${nameOf(place)}`
  const code = driverCode(error) ?? ''
  if (code === '53100') return new DatabaseUnwritable(`${what}: its disk is full`, 'its disk is full')
  if (code === '25006') return new DatabaseUnwritable(`${what} may only be read`, 'it may only be read')
  if (isCutOff(error) || isDatabaseDown(error))
    return new DatabaseAway(`${what} does not answer (${code || error.message})`)
  if (/^28/.test(code))
    return new StartError(`${what} does not let ${place.user} in: check user and password`)
  if (code === '3D000') return new StartError(`${what} does not exist; its owner makes it with createdb`)
  if (code === '42501') return new StartError(`${what}: ${place.user} may not make tables in it`)
  if (isDamage(error)) return new StartError(`${what} is damaged (${code}); put back a backup`)
  return new StartError(`${what} cannot be used (${error.message})`)
}
