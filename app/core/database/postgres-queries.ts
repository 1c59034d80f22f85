import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import { Unavailable } from '../errors.ts'
import type { Log } from '../log.ts'
import { driverCode, isCutOff, isDatabaseDown } from './errors.ts'
import { Outages, patience, pause } from './outages.ts'
import { openPool } from './postgres.ts'
import { prepareOn } from './prepared.ts'
import type { Read, Row, WebQueries } from './reader.ts'
import type { PostgresPlace } from './settings.ts'

/** Connections of the web role: its reads take parts of a millisecond each. */
const maxConnections = 4

/**
 * The PostgreSQL database as the web role has it, `WebDatabase`'s twin: a server that is away makes answers late or
 * {@link Unavailable}, and is found again by itself.
 */
export class PostgresQueries implements WebQueries {
  readonly #pool: Pool
  readonly #log: Log
  readonly #outages: Outages

  constructor(place: PostgresPlace, log: Log) {
    this.#pool = openPool(place, maxConnections)
    this.#log = log
    this.#outages = new Outages(log)
  }

  prepare<R extends Row>(sql: string): Read<R> {
    const read = prepareOn<R>(this.#pool, sql)
    return (...parameters) => this.#outages.read(sql, () => read(...parameters), whatIs)
  }

  async query<R extends Row>(sql: string, ...parameters: unknown[]): Promise<R[]> {
    const values = parameters.map((value) => value ?? null)
    const run = async () => (await this.#pool.query<R>(sql, values)).rows
    if (/^\s*SELECT\b/i.test(sql)) return await this.#outages.read(sql, run, whatIs)
    return await this.#write(run)
  }

  async hasTable(name: string): Promise<boolean> {
    const [row] = await this.query<{ found: number }>('SELECT to_regclass($1) IS NOT NULL AS found', name)
    return row?.found === 1
  }

  /** Its connections keep nothing from anybody. */
  release(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outages.close()
    await this.#pool.end()
  }

  /** Asked again only while no connection comes about: of one that broke off nobody knows what it wrote. */
  async #write<T>(run: () => Promise<T>): Promise<T> {
    const end = performance.now() + patience
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (whatIs(error) === 'fault') throw error
        const hasNotBegun = error instanceof Error && 'syscall' in error && error.syscall === 'connect'
        if (!hasNotBegun || performance.now() > end) {
          this.#log.warn({ error }, 'the database cannot be written to')
          throw new Unavailable('the database cannot be written to')
        }
      }
      await delay(pause)
    }
  }
}

/** Also of a user or a database that the server does not know at present. */
function whatIs(error: unknown): 'outage' | 'refusal' | 'fault' {
  const code = driverCode(error) ?? ''
  if (isCutOff(error) || isDatabaseDown(error) || /^(28...|3D000)$/.test(code)) return 'outage'
  return /^[0-9A-Z]{5}$/.test(code) ? 'refusal' : 'fault'
}
