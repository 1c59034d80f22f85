import type { Update } from 'telegraf/types'
import type { Database } from '../core/database/database.ts'
import { chatIdOf } from './addressing.ts'

/** Milliseconds for which updates that were put aside are kept. */
const asideFor = 30 * 86_400_000

/** Rows of an older release that one transaction gives their chats. */
const page = 500

/** An update that is kept and not handled yet. */
export interface Waiting extends Record<string, unknown> {
  update_id: number
  chat_id: number
  body: string
  tries: number
}

/** Updates as they are kept: what Telegram sent, how often it was tried, and when it was handled. */
export class UpdateRows {
  readonly #botId: number
  readonly #database: Database

  constructor(botId: number, database: Database) {
    this.#botId = botId
    this.#database = database
  }

  /** Keeps updates, once each; they are there when this returns. */
  async add(updates: Update[]): Promise<void> {
    await this.#database.transaction(async () => {
      for (const update of updates) {
        await this.#database.query(
          `INSERT INTO updates (bot_id, update_id, chat_id, body, received_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (bot_id, update_id) DO NOTHING`,
          this.#botId,
          update.update_id,
          chatIdOf(update),
          JSON.stringify(update),
          Date.now(),
        )
      }
    })
  }

  /** The bodies of up to `limit` updates that wait, the oldest first. */
  async bodies(limit: number): Promise<string[]> {
    const rows = await this.#database.query<{ body: string }>(
      'SELECT body FROM updates WHERE bot_id = $1 AND handled_at IS NULL ORDER BY update_id LIMIT $2',
      this.#botId,
      limit,
    )
    return rows.map(({ body }) => body)
  }

  /**
   * The oldest waiting updates that may share a transaction: one, or several that were not tried before and are none of
   * `alone`. Those of the chats `apart` are left where they are. Their tries are counted already, so that what kills the
   * process is counted too.
   */
  async take(limit: number, { apart, alone }: { apart: number[]; alone: number[] }): Promise<Waiting[]> {
    let place = 2
    const places = (values: number[]) => values.map(() => `$${++place}`).join(', ')
    const elsewhere = apart.length === 0 ? '' : `AND COALESCE(chat_id, 0) NOT IN (${places(apart)})`
    const suspect = alone.length === 0 ? 'tries > 0' : `tries > 0 OR update_id IN (${places(alone)})`
    const updates = await this.#database.query<Waiting>(
      `UPDATE updates SET tries = tries + 1 WHERE bot_id = $1 AND update_id IN (
         WITH places AS (
           SELECT bot_id, update_id FROM updates WHERE bot_id = $1 AND handled_at IS NULL ${elsewhere}
           ORDER BY update_id LIMIT $2
         ), oldest AS (
           SELECT update_id, tries FROM places JOIN updates USING (bot_id, update_id)
         )
         SELECT update_id FROM oldest WHERE update_id = (SELECT MIN(update_id) FROM oldest)
           OR update_id < COALESCE((SELECT MIN(update_id) FROM oldest WHERE ${suspect}), update_id + 1)
       ) RETURNING update_id, COALESCE(chat_id, 0) AS chat_id, body, tries`,
      this.#botId,
      limit,
      ...apart,
      ...alone,
    )
    return updates.sort((one, other) => one.update_id - other.update_id)
  }

  /** Takes the last try off the count. */
  async giveBack(updates: Waiting[]): Promise<void> {
    const sql = `UPDATE updates SET tries = tries - 1 WHERE bot_id = $1 AND update_id IN (${placesOf(updates)})`
    await this.#database.query(sql, this.#botId, ...updates.map(({ update_id }) => update_id))
  }

  /** Call it in the transaction in which they are handled. @param kept what stays of them */
  async markHandled(updates: Waiting[], kept = ''): Promise<void> {
    await this.#database.query(
      `UPDATE updates SET handled_at = $2, body = $3, chat_id = NULL WHERE bot_id = $1 AND update_id IN (${placesOf(updates, 4)})`,
      this.#botId,
      Date.now(),
      kept,
      ...updates.map(({ update_id }) => update_id),
    )
  }

  /** The ids of those that were tried before. */
  async tried(): Promise<number[]> {
    const rows = await this.#database.query<{ update_id: number }>(
      'SELECT update_id FROM updates WHERE bot_id = $1 AND handled_at IS NULL AND tries > 0',
      this.#botId,
    )
    return rows.map(({ update_id }) => update_id)
  }

  /** Gives waiting updates their chats: an older release, before an upgrade or after a rollback, writes none. */
  async placeInChats(): Promise<void> {
    const sql = `SELECT update_id, body FROM updates
      WHERE bot_id = $1 AND handled_at IS NULL AND chat_id IS NULL ORDER BY update_id LIMIT $2`
    for (;;) {
      const rows = await this.#database.query<Waiting>(sql, this.#botId, page)
      await this.#database.transaction(async () => {
        for (const { update_id, body } of rows) {
          const place = 'UPDATE updates SET chat_id = $3 WHERE bot_id = $1 AND update_id = $2'
          await this.#database.query(place, this.#botId, update_id, chatIdOf(parsed(body)))
        }
      })
      if (rows.length < page) return
    }
  }

  /**
   * Removes at most `limit` handled updates that Telegram can no longer repeat: it does so for 24 h. Those that were put
   * aside stay longer. Returns how many.
   */
  async forget(limit: number): Promise<number> {
    const rows = await this.#database.query(
      `DELETE FROM updates WHERE (bot_id, update_id) IN (
         SELECT bot_id, update_id FROM updates WHERE handled_at < $1 AND (body = '' OR handled_at < $2) LIMIT $3
       ) RETURNING update_id`,
      Date.now() - 48 * 3_600_000,
      Date.now() - asideFor,
      limit,
    )
    return rows.length
  }
}

/** What a body holds; undefined when the row is damaged: trying again helps nobody. */
export function parsed(body: string): Update | undefined {
  try {
    return JSON.parse(body) as Update
  } catch {
    return undefined
  }
}

function placesOf(rows: unknown[], first = 2): string {
  return rows.map((_, at) => `$${first + at}`).join(', ')
}
