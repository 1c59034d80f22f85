import { userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

export const databaseSettings = z.object({
  DATABASE_URL: z
    .string()
    .refine(
      (text) => isSqlite(text) || isPostgres(text),
      'must be sqlite:<path of the database file>, postgres://<user>[:<password>]@<host>[:<port>]/<database>, ' +
        'or postgres:///<database>?host=<folder of its socket>',
    )
    .default('sqlite:./data/db/tgdepot.sqlite'),
  // As systemd names the folder; here what must outlive the process and is not in a database elsewhere.
  STATE_DIRECTORY: z.string().default('./data/db'),
})

export type DatabaseSettings = z.input<typeof databaseSettings>

export interface SqlitePlace {
  dialect: 'sqlite'
  file: string
}

export interface PostgresPlace {
  dialect: 'postgres'
  /** Name, address, or the folder of the socket. */
  host: string
  port: number
  user: string
  password: string | undefined
  database: string
  /** See {@link databaseSettings}. */
  stateFolder: string
}

// In an address two slashes begin a host: what stands there would be a file in the root of the disk.
const isSqlite = (text: string) => /^sqlite:(?!:memory:|\/\/[^/]).+/.test(text)

function isPostgres(text: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return false
  const { pathname, hash, searchParams, hostname } = new URL(text)
  const known = [...searchParams.keys()].every((name) => name === 'host')
  const hasOneHost = hostname === '' || !searchParams.has('host')
  return /^\/[^/]+$/.test(pathname) && hash === '' && known && hasOneHost && isDecodable(text)
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== ''
  } catch {
    return false
  }
}

/** Where Debian's server has its socket. */
const usualSocket = '/run/postgresql'

/** Where the database is. */
export function placeOf({ DATABASE_URL, STATE_DIRECTORY }: DatabaseSettings): SqlitePlace | PostgresPlace {
  const address = databaseSettings.shape.DATABASE_URL.parse(DATABASE_URL)
  if (address.startsWith('sqlite:')) return { dialect: 'sqlite', file: address.slice('sqlite:'.length) }
  const { hostname, port, username, password, pathname, searchParams } = new URL(address)
  return {
    dialect: 'postgres',
    // The folder of a socket may be the host as well, with %2F for each slash.
    host:
      decodeURIComponent(hostname.replace(/^\[(.*)\]$/, '$1')) || (searchParams.get('host') ?? usualSocket),
    port: Number(port || 5432),
    user: decodeURIComponent(username) || userInfo().username,
    password: decodeURIComponent(password) || undefined,
    database: decodeURIComponent(pathname.slice(1)),
    stateFolder: join(databaseSettings.shape.STATE_DIRECTORY.parse(STATE_DIRECTORY)),
  }
}

/** The path of the database file, if it is one. */
export function databaseFile(settings: DatabaseSettings): string | undefined {
  const place = placeOf(settings)
  return place.dialect === 'sqlite' ? place.file : undefined
}

/** The database in words for people, without the password. */
export function nameOf(place: SqlitePlace | PostgresPlace): string {
  if (place.dialect === 'sqlite') return place.file
  return `the PostgreSQL database ${place.database} at ${place.host}`
}

/** What no line of the log may hold, also as it stands in the address. */
export function secretsOf({ DATABASE_URL = '' }: DatabaseSettings): string[] {
  if (!isPostgres(DATABASE_URL)) return []
  const { password } = new URL(DATABASE_URL)
  return [...new Set([password, decodeURIComponent(password)])].filter((secret) => secret.length > 0)
}
