import { setTimeout as delay } from 'node:timers/promises'
import { Unavailable } from '../errors.ts'
import type { Log } from '../log.ts'

/** Milliseconds for which a request waits for a database in trouble; those that come later are refused at once. */
export const patience = 3000
/** Milliseconds between two attempts, each of which takes microseconds. */
export const pause = 50
/** Milliseconds after which the log is told again of a statement that fails. */
const complainAgain = 60_000

/** The database cannot be read: until when requests wait for it, and the search for its end. */
interface Outage {
  error: Error
  patientUntil: number
  ended: Promise<void>
  isReported: boolean
}

/** What an error of a read is: one that every statement would meet, one of this statement, or none of the database's. */
type Judge = (error: unknown) => 'outage' | 'refusal' | 'fault'

/** Has reads wait for the end of an outage, all for the same, and as long as a visitor can be kept waiting. */
export class Outages {
  readonly #log: Log
  #outage: Outage | undefined
  #isClosed = false
  /** When statements that failed by themselves were last logged. */
  readonly #complained = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  get isOngoing(): boolean {
    return this.#outage !== undefined
  }

  /** @throws Unavailable when the database cannot be read, or cannot answer this statement */
  async read<T>(sql: string, attempt: () => T | Promise<T>, whatIs: Judge): Promise<T> {
    for (;;) {
      if (this.#outage) await this.#patience(this.#outage)
      try {
        return await attempt()
      } catch (error) {
        const kind = whatIs(error)
        if (kind === 'fault') throw error
        if (kind === 'refusal') throw this.#refuse(sql, error as Error)
        this.#outage ??= this.#begin(error as Error, attempt, whatIs)
      }
    }
  }

  /** Ends the search. */
  close(): void {
    this.#isClosed = true
  }

  async #patience(outage: Outage): Promise<void> {
    const left = outage.patientUntil - performance.now()
    if (left > 0) await Promise.race([outage.ended, delay(left)])
    if (this.#outage !== outage) return
    if (!outage.isReported) {
      outage.isReported = true
      this.#log.error(
        { error: outage.error },
        'the database cannot be read: visitors are asked to come again',
      )
    }
    throw new Unavailable('the database cannot be read')
  }

  /** Tries what failed until it succeeds: one search for all who wait. */
  #begin(error: Error, attempt: () => unknown, whatIs: Judge): Outage {
    const search = async () => {
      while (!this.#isClosed) {
        await delay(pause, undefined, { ref: false })
        try {
          await attempt()
          break
        } catch (again) {
          if (whatIs(again) !== 'outage') break
        }
      }
      this.#outage = undefined
      if (outage.isReported && !this.#isClosed) this.#log.info('the database can be read again')
    }
    const patientUntil = performance.now() + patience
    const outage: Outage = { error, patientUntil, ended: Promise.resolve(), isReported: false }
    outage.ended = search()
    return outage
  }

  /** What only this statement meets: no table yet, or a page that is damaged. The others go on. */
  #refuse(sql: string, error: Error): Unavailable {
    const now = performance.now()
    if (now - (this.#complained.get(sql) ?? -complainAgain) >= complainAgain) {
      this.#log.error({ error }, 'a statement fails: visitors are asked to come again')
      this.#complained.set(sql, now)
    }
    return new Unavailable('the database cannot answer this')
  }
}
