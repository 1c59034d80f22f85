import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import type { Update } from 'telegraf/types'
import type { Database } from '../core/database/database.ts'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'

/** An update that fails this often is put aside, so that the ones behind it are served. */
const maxTries = 3

/** New updates that share a transaction, and so its wait for the disk; others of this process wait meanwhile. */
const maxTogether = 10

/** Milliseconds between two tries to write to a database that takes nothing. */
const pause = 3000

interface Waiting extends Record<string, unknown> {
  update_id: number
  body: string
  tries: number
}

interface Parts {
  botId: number
  database: Database
  log: Log
  handle: (update: Update) => Promise<void>
  /** Tells the sender of an update that it cannot be handled. */
  putAside: (update: Update) => Promise<void>
}

/**
 * Updates that Telegram may forget: each is handled after those before it, in the transaction that marks it as
 * handled, so that what a handler writes is there once or not at all. New ones share a transaction; when it fails, each
 * is handled alone. One that was tried before, by a process that ended meanwhile or by a handler that failed, is
 * always alone: what kills the process takes no other one with it. A handler meets its update at most
 * {@link maxTries} times; then it is put aside with its body, for whoever looks into it.
 */
export class Inbox {
  readonly #parts: Parts
  /** Up to this one, none shares a transaction: one of them has just failed the others. */
  #aloneUntil = 0
  #wake = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Keeps updates, once each; they are there when this returns. */
  async store(updates: Update[]): Promise<void> {
    const { botId, database } = this.#parts
    await database.transaction(async () => {
      for (const update of updates) {
        await database.query(
          `INSERT INTO updates (bot_id, update_id, body, received_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (bot_id, update_id) DO NOTHING`,
          botId,
          update.update_id,
          JSON.stringify(update),
          Date.now(),
        )
      }
    })
    this.#wake()
  }

  /** Up to `limit` updates that are kept and not handled yet, the oldest first. */
  async waiting(limit: number): Promise<Update[]> {
    const rows = await this.#parts.database.query<{ body: string }>(
      'SELECT body FROM updates WHERE bot_id = $1 AND handled_at IS NULL ORDER BY update_id LIMIT $2',
      this.#parts.botId,
      limit,
    )
    return rows.flatMap(({ body }) => parsed(body) ?? [])
  }

  /** Handles what is there and what comes, until `signal` is aborted and the running handlers have ended. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const updates = await this.#take().catch((error): Waiting[] => {
        this.#parts.log.error({ error }, 'updates cannot be read')
        return []
      })
      const [first] = updates
      if (!first) {
        // Telegram's count may start anew, and lower.
        this.#aloneUntil = 0
        await this.#sleep(signal)
      } else if (updates.length === 1) await this.#handleAlone(first, signal)
      else await this.#handleTogether(updates, signal)
    }
  }

  /**
   * The oldest waiting updates, which may share a transaction: one, or several of which none was tried before. Their
   * tries are counted already, so that what kills the process is counted too.
   */
  async #take(): Promise<Waiting[]> {
    const updates = await this.#parts.database.query<Waiting>(
      `UPDATE updates SET tries = tries + 1 WHERE bot_id = $1 AND update_id IN (
         WITH oldest AS (
           SELECT update_id, tries FROM updates WHERE bot_id = $1 AND handled_at IS NULL
           ORDER BY update_id LIMIT $2
         )
         SELECT update_id FROM oldest WHERE update_id = (SELECT MIN(update_id) FROM oldest)
           OR update_id < COALESCE((SELECT MIN(update_id) FROM oldest WHERE tries > 0 OR update_id <= $3), update_id + 1)
       ) RETURNING update_id, body, tries`,
      this.#parts.botId,
      maxTogether,
      this.#aloneUntil,
    )
    return updates.sort((one, other) => one.update_id - other.update_id)
  }

  async #handleTogether(updates: Waiting[], signal: AbortSignal): Promise<void> {
    const { database, log } = this.#parts
    try {
      await database.transaction(async () => {
        for (const update of updates) {
          await this.#handle(update)
          // SQLite answers at once: nothing else would have its turn until all of them are handled.
          await immediate()
        }
      })
    } catch (error) {
      if (isDatabaseDown(error)) return await this.#putBack(updates, error, signal)
      log.info({ updates: updates.length, error }, 'one of several updates failed: each is handled alone')
      this.#aloneUntil = updates.at(-1)?.update_id ?? this.#aloneUntil
      await this.#giveBack(updates, signal)
    }
  }

  async #handleAlone(update: Waiting, signal: AbortSignal): Promise<void> {
    const { database, log } = this.#parts
    const { update_id, tries } = update
    try {
      await database.transaction(async () => {
        const read = parsed(update.body)
        if (read && tries <= maxTries) return await this.#handle(update)
        log.error({ update_id, tries }, `update put aside: it ${read ? 'fails each time' : 'cannot be read'}`)
        // Told once: an update that cannot even be told of must not stay in front of the others.
        if (read && tries === maxTries + 1) await this.#parts.putAside(read)
        await this.#handled(update, update.body)
      })
    } catch (error) {
      if (isDatabaseDown(error)) return await this.#putBack([update], error, signal)
      log.error({ update_id, tries, error }, 'update failed')
      await wait(100 * 4 ** tries, signal)
    }
  }

  async #handle(update: Waiting): Promise<void> {
    await this.#parts.handle(JSON.parse(update.body))
    await this.#handled(update)
  }

  async #handled({ update_id }: Waiting, kept = ''): Promise<void> {
    await this.#parts.database.query(
      'UPDATE updates SET handled_at = $3, body = $4 WHERE bot_id = $1 AND update_id = $2',
      this.#parts.botId,
      update_id,
      Date.now(),
      kept,
    )
  }

  /** A full disk or a locked database is no fault of the updates. */
  async #putBack(updates: Waiting[], error: unknown, signal: AbortSignal): Promise<void> {
    this.#parts.log.error(
      { update_id: updates[0]?.update_id, updates: updates.length, error },
      'update failed',
    )
    await wait(400, signal)
    await this.#giveBack(updates, signal)
  }

  /** Takes the last try off the count; waits for a database that cannot be written to. */
  async #giveBack(updates: Waiting[], signal: AbortSignal): Promise<void> {
    const { botId, database, log } = this.#parts
    const places = updates.map((_, at) => `$${at + 2}`)
    const sql = `UPDATE updates SET tries = tries - 1 WHERE bot_id = $1 AND update_id IN (${places})`
    do {
      try {
        await database.query(sql, botId, ...updates.map(({ update_id }) => update_id))
        return
      } catch (error) {
        log.debug({ error }, 'the database cannot be written to')
        await wait(pause, signal)
      }
    } while (!signal.aborted)
  }

  #sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', awake)
        resolve()
      }
      // A wake-up between the look into the table and this line is made good after a second.
      const timer = setTimeout(awake, 1000)
      this.#wake = awake
      signal.addEventListener('abort', awake)
    })
  }
}

/** Undefined when the row is damaged: trying again helps nobody. */
function parsed(body: string): Update | undefined {
  try {
    return JSON.parse(body) as Update
  } catch {
    return undefined
  }
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {})
}
