import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import type { Update } from 'telegraf/types'
import type { Database } from '../core/database/database.ts'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'
import { parsed, type UpdateRows, type Waiting } from './update-rows.ts'

/** An update that fails this often is put aside, so that the ones behind it are served. */
export const maxTries = 3

/** Milliseconds after which a shared transaction ends, and others of this process may write. */
const maxHold = 500

/** Milliseconds for which an update may be prepared. */
const maxPreparation = 60_000

/** Milliseconds between two tries to write to a database that takes nothing. */
const pause = 3000

/** Writes what follows from an update, and waits for nothing but the database: nobody else writes meanwhile. */
export type Write = () => Promise<void>

/** How an update is handled. What is `prepare`d comes before the transaction, and may wait for anything. */
export type Plan = { write: Write } | { prepare: (signal: AbortSignal) => Promise<Write> }

interface Parts {
  database: Database
  log: Log
  rows: UpdateRows
  /** Tells the sender of an update that it cannot be handled. */
  putAside: (update: Update) => Promise<void>
}

/** What happens to updates whose turn has come: they are handled, or given back, or put aside. */
export class Attempts {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Handles updates in shared transactions. Returns the ids of those that have failed the others. */
  async together(updates: Map<Waiting, Write>, signal: AbortSignal): Promise<number[]> {
    const { database, log, rows } = this.#parts
    const left = [...updates]
    let handling: Waiting | undefined
    while (left.length > 0) {
      let done: Waiting[] = []
      try {
        await database.transaction(async () => {
          done = []
          const began = performance.now()
          for (const [update, write] of left) {
            handling = update
            await write()
            done.push(update)
            if (performance.now() - began > maxHold) break
            // SQLite answers at once: nothing else would have its turn until all of them are handled.
            await immediate()
          }
          handling = undefined
          await rows.markHandled(done)
        })
        left.splice(0, done.length)
      } catch (error) {
        const rest = left.map(([update]) => update)
        if (isDatabaseDown(error)) {
          await this.#putBack(rest, error, signal)
          return []
        }
        log.info({ updates: rest.length, error }, 'one of several updates failed: it is handled alone')
        await this.giveBack(rest, signal)
        return (handling ? [handling] : rest).map(({ update_id }) => update_id)
      }
    }
    return []
  }

  /**
   * Handles an update in a transaction of its own. Returns the milliseconds after which its chat goes on.
   * @param plan undefined when it was tried too often
   */
  async alone(update: Waiting, plan: Plan | undefined, signal: AbortSignal): Promise<number> {
    const { database, log, rows } = this.#parts
    const { update_id, tries } = update
    try {
      const read = parsed(update.body)
      const write = read && plan && (await prepared(plan, signal))
      await database.transaction(async () => {
        await (write ? write() : this.#putAside(update, read))
        await rows.markHandled([update], write ? '' : update.body)
      })
      return 0
    } catch (error) {
      if (isDatabaseDown(error)) await this.#putBack([update], error, signal)
      else if (signal.aborted) await this.giveBack([update], signal)
      else {
        log.error({ update_id, tries, error }, 'update failed')
        return 100 * 4 ** tries
      }
      return 0
    }
  }

  async #putAside({ update_id, tries }: Waiting, read: Update | undefined): Promise<void> {
    const why = `it ${read ? 'fails each time' : 'cannot be read'}`
    this.#parts.log.error({ update_id, tries }, `update put aside: ${why}`)
    // Told once: an update that cannot even be told of must not stay in front of the others.
    if (read && tries === maxTries + 1) await this.#parts.putAside(read)
  }

  /** A full disk or a locked database is no fault of the updates. */
  async #putBack(updates: Waiting[], error: unknown, signal: AbortSignal): Promise<void> {
    this.#parts.log.error(
      { update_id: updates[0]?.update_id, updates: updates.length, error },
      'update failed',
    )
    await wait(400, signal)
    await this.giveBack(updates, signal)
  }

  /** Takes the last try off the count; waits for a database that cannot be written to. */
  async giveBack(updates: Waiting[], signal: AbortSignal): Promise<void> {
    do {
      try {
        return await this.#parts.rows.giveBack(updates)
      } catch (error) {
        this.#parts.log.debug({ error }, 'the database cannot be written to')
        await wait(pause, signal)
      }
    } while (!signal.aborted)
  }
}

/** @throws what its preparation throws, or when that takes too long */
async function prepared(plan: Plan, signal: AbortSignal): Promise<Write> {
  if ('write' in plan) return plan.write
  const limit = AbortSignal.any([signal, AbortSignal.timeout(maxPreparation)])
  const end = Promise.withResolvers<never>()
  limit.addEventListener('abort', () => end.reject(limit.reason), { once: true })
  return await Promise.race([plan.prepare(limit), end.promise])
}

/** Ends earlier when `signal` is aborted. */
export async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {})
}
