import type { DatabaseSync, SQLInputValue } from 'node:sqlite'

export type Row = Record<string, unknown>

/** The first row of one prepared SELECT. */
export type Read<R extends Row> = (...parameters: (string | number)[]) => Promise<R | undefined>

/** Statements that each stand alone: all that the web role asks of the database. */
export interface Queries {
  /** Rows of one SQL statement with `$1`, `$2` … in it; also of INSERT and UPDATE … RETURNING. */
  query<R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]>
  /** Prepares a SELECT with `?` places that is read thousands of times a second. */
  prepare<R extends Row>(sql: string): Read<R>
}

/** The database of a role that only reads, and has its wishes written, whether it is there or not. */
export interface WebQueries extends Queries, AsyncDisposable {
  /** Lets go of what it has open until the next read. */
  release(): void
  hasTable(name: string): Promise<boolean>
}

/**
 * A connection for reads that happen thousands of times a second. Taking SQLite's locks costs more than an indexed
 * read, so the reads of one turn of the event loop share them: one transaction, which sees the database as it was at the
 * first of these reads.
 */
export class Reader {
  readonly #connection: DatabaseSync
  #ending: NodeJS.Immediate | undefined

  constructor(connection: DatabaseSync) {
    this.#connection = connection
    this.#connection.exec('PRAGMA query_only = ON')
  }

  prepare<R extends Row>(sql: string): (...parameters: (string | number)[]) => R | undefined {
    const statement = this.#connection.prepare(sql)
    return (...parameters) => {
      if (this.#ending === undefined) {
        this.#connection.exec('BEGIN')
        this.#ending = setImmediate(() => this.renew())
      }
      return statement.get(...parameters) as R | undefined
    }
  }

  /** Rows of a SELECT with `$1`, `$2` … in it, read for themselves. */
  all<R extends Row>(sql: string, parameters: SQLInputValue[]): R[] {
    const named = Object.fromEntries(parameters.map((value, at) => [`$${at + 1}`, value]))
    return this.#connection.prepare(sql).all(named) as R[]
  }

  /** The next read sees all that is committed by now; called after each write of this process. */
  renew(): void {
    if (this.#ending === undefined) return
    clearImmediate(this.#ending)
    this.#ending = undefined
    // Nothing was written. A read that failed has ended the transaction, or leaves one that cannot be committed.
    if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
  }

  close(): void {
    this.renew()
    if (this.#connection.isOpen) this.#connection.close()
  }
}
