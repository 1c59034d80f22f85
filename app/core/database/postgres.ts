import pg from 'pg'
import type { PostgresPlace } from './settings.ts'

const { Client: PlainClient, Pool, types } = pg

/** Milliseconds for a connection to come about. */
const connectTimeout = 5000

/** How `pg` is told where to go; for its pools and single connections. */
function connectionTo(place: PostgresPlace) {
  const { host, port, user, password, database } = place
  return {
    host,
    port,
    user,
    password,
    database,
    application_name: 'tgdepot',
    connectionTimeoutMillis: connectTimeout,
    // A server that vanished without a word is noticed.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  }
}

const { BOOL, INT8, NUMERIC } = types.builtins

/** As SQLite gives them: BIGINT, and the sum of several, as a number, and what is true as 1. */
function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === BOOL) return (text: string) => Number(text === 't')
  return oid === INT8 || oid === NUMERIC ? safeNumber : types.getTypeParser(oid, format)
}

function safeNumber(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`the database holds ${text}, which is more than a number of JavaScript can be`)
  }
  return value
}

/** `pg` as Sequelize is to load it (its `dialectModule`): connected as here, since its own parsers give SUM as text. */
export function dialectFor(place: PostgresPlace, limits: { [name: string]: number }) {
  class Client extends PlainClient {
    constructor() {
      super({ ...connectionTo(place), ...limits })
    }
  }
  return { ...pg, Client }
}

/** A small pool for statements that each stand alone. */
export function openPool(place: PostgresPlace, max: number): pg.Pool {
  const pool = new Pool({ ...connectionTo(place), max })
  // A connection that ends while nobody uses it is replaced by the next use.
  pool.on('error', () => {})
  return pool
}

/** One connection of its own, for what is bound to it, such as a lock. */
export async function connect(place: PostgresPlace): Promise<pg.Client> {
  const client = new PlainClient(connectionTo(place))
  // Whoever has it learns of its end by `end`.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** The same statement with `$1`, `$2` … for its `?` places. */
export function withNumberedPlaces(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}
