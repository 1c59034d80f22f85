import type { Queries } from '../core/database/reader.ts'
import type { OwnerRow } from './owner.model.ts'

/** The person who owns the bot because they claimed it. */
export class Ownership {
  readonly #database: Pick<Queries, 'query'>

  constructor(database: Pick<Queries, 'query'>) {
    this.#database = database
  }

  /** Read anew each time: the owner of the machine may have it forgotten by another process. */
  async find(): Promise<number | undefined> {
    const [row] = await this.#database.query<Pick<OwnerRow, 'user_id'>>('SELECT user_id FROM bot_owner')
    return row?.user_id
  }

  /** Of several claims one succeeds. Returns whether it was this one. */
  async claim(userId: number): Promise<boolean> {
    const sql = `INSERT INTO bot_owner (id, user_id, claimed_at) VALUES (1, $1, $2)
      ON CONFLICT (id) DO NOTHING RETURNING user_id`
    return (await this.#database.query(sql, userId, Date.now())).length > 0
  }

  /** Returns who it was. */
  async forget(): Promise<number | undefined> {
    const sql = 'DELETE FROM bot_owner RETURNING user_id'
    const [row] = await this.#database.query<Pick<OwnerRow, 'user_id'>>(sql)
    return row?.user_id
  }
}
