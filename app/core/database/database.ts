import type { Sequelize } from 'sequelize'
import type { Log } from '../log.ts'
import type { Migration } from './migrations.ts'
import type { RowOf, Table } from './model.ts'
import type { Queries, Row, WebQueries } from './reader.ts'
import type { Reserve } from './reserve.ts'
import { type DatabaseSettings, placeOf } from './settings.ts'

export interface Database extends Queries, AsyncDisposable {
  readonly dialect: 'sqlite' | 'postgres'
  readonly sequelize: Sequelize
  /** The database itself, where it is a file of this machine. */
  readonly file: string | undefined
  /** Path of a small file of this name that must outlive the process; its folder need not be there. */
  besides(name: string): string
  /** Given up by itself when a statement meets a full disk; whoever watches the disk takes it again. SQLite's alone. */
  readonly reserve: Reserve | undefined
  /**
   * Runs `work` in one write transaction, or in the caller's when there is one; every query inside joins it
   * without being told. A throw rolls back. Keep it short, since others wait for its rows, with SQLite for all of it;
   * and repeatable: it is run again when the database asks for that.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  /**
   * For what is first looked at and then written: from here to the end of the caller's transaction no other process is
   * between the same two with this name. SQLite has one writer at a time, and so needs nothing.
   */
  serialize(name: string): Promise<void>
  /** Runs `action` when the caller's transaction has committed, never if it fails, or at once when there is none. */
  afterCommit(action: () => void): void
  /**
   * Tells all who listen to a channel (letters and _), of any process where the database can, after the caller's
   * transaction has committed. It may be lost: who listens looks by itself at intervals as well.
   */
  notify(channel: string): Promise<void>
  /** Calls `listener` after each {@link notify}, until what it returns is disposed of. */
  listen(channel: string, listener: () => void): Disposable
  /** Rows of one SQL statement with `$1`, `$2` … in it; also of UPDATE … RETURNING. Undefined is written as NULL. */
  query<R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]>
  /** The rows of a table that hold these values. For the thousands a second, {@link query} is faster. */
  rows<T extends Table>(of: T, where?: Partial<RowOf<T>>): Promise<RowOf<T>[]>
  /** Whether a statement has met damage: the rest may be well. */
  readonly isDamaged: boolean
  /** Whether its file was in its place at the last {@link look}: removed or replaced, it goes with this process. */
  readonly isInPlace: boolean
  /** Looks whether its file is still the one that was opened. */
  look(): Promise<void>
  /** Migrations that only a newer release knows; none of them is breaking. */
  readonly newer: string[]
  /**
   * Held by one bot for as long as it lives, where only one can work with the database: several on PostgreSQL share the
   * work, see `Leadership`. @throws StartError when another one holds it
   */
  lock(): Promise<AsyncDisposable>
}

/**
 * Opens the database, creating file and folder of SQLite's when missing, and brings its tables up to date.
 * @throws StartError when it cannot be used; DatabaseLocked, DatabaseAway or DatabaseUnwritable when it cannot be now
 */
export async function openDatabase(settings: DatabaseSettings, migrations: Migration[]): Promise<Database> {
  const place = placeOf(settings)
  // Each loads its driver: memory is what a small machine has least of.
  if (place.dialect === 'sqlite') {
    const { openSqliteDatabase } = await import('./sqlite-database.ts')
    return await openSqliteDatabase(place, migrations)
  }
  const { openPostgresDatabase } = await import('./postgres-database.ts')
  return await openPostgresDatabase(place, migrations)
}

/** The database for a role that only reads; it need not be there. */
export async function openQueries(settings: DatabaseSettings, log: Log): Promise<WebQueries> {
  const place = placeOf(settings)
  if (place.dialect === 'sqlite') {
    const { WebDatabase } = await import('./web-database.ts')
    return new WebDatabase(place.file, log)
  }
  const { PostgresQueries } = await import('./postgres-queries.ts')
  return new PostgresQueries(place, log)
}
