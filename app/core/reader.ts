import type { DatabaseSync } from 'node:sqlite'
import { openSqlite } from './sqlite.ts'

export type Row = Record<string, unknown>

/** The first row of one prepared SELECT. */
export type Read<R extends Row> = (...parameters: (string | number)[]) => Promise<R | undefined>

/**
 * A connection for reads that happen thousands of times a second. Taking SQLite's locks costs more than an indexed
 * read, so the reads of one turn of the event loop share them: one transaction, which sees the database as it was at the
 * first of these reads.
 */
export class Reader {
  readonly #connection: DatabaseSync
  #ending: NodeJS.Immediate | undefined

  constructor(file: string) {
    this.#connection = openSqlite(file)
    this.#connection.exec('PRAGMA query_only = ON')
  }

  prepare<R extends Row>(sql: string): Read<R> {
    const statement = this.#connection.prepare(sql)
    return async (...parameters) => {
      if (this.#ending === undefined) {
        this.#connection.exec('BEGIN')
        this.#ending = setImmediate(() => this.renew())
      }
      return statement.get(...parameters) as R | undefined
    }
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
    this.#connection.close()
  }
}
