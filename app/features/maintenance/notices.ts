import type { BotContext } from '../../context.ts'
import { noticeTable } from './maintenance.model.ts'

/** Milliseconds for which a notice is not repeated, however often what it is about comes and goes. */
const quiet = 10 * 60_000

/** What the administrators are told once, and then not again until it is over; over restarts too. */
export class Notices {
  readonly #context: Pick<BotContext, 'database' | 'outbox' | 'users'>

  constructor(context: Pick<BotContext, 'database' | 'outbox' | 'users'>) {
    this.#context = context
  }

  /** Tells of something that lasts; to be repeated while it does. Returns whether it was told now. */
  async say(name: string, text: string): Promise<boolean> {
    const { database } = this.#context
    return await database.transaction(async () => {
      const told = await database.query(
        `INSERT INTO notices (name, told_at, is_open) VALUES ($1, $2, 1)
         ON CONFLICT (name) DO UPDATE SET told_at = $2, is_open = 1
         WHERE notices.is_open = 0 AND ABS(notices.told_at - $2) > $3 RETURNING name`,
        name,
        Date.now(),
        quiet,
      )
      if (told.length > 0) await this.#tell(text)
      return told.length > 0
    })
  }

  /** What a notice was about is over; without effect when there was none. */
  async over(name: string, text?: string): Promise<void> {
    const { database } = this.#context
    // Most often there is nothing to end, which costs no turn of those who write.
    if (!(await this.isOpen(name))) return
    await database.transaction(async () => {
      const sql = 'UPDATE notices SET is_open = 0 WHERE name = $1 AND is_open = 1 RETURNING name'
      const ended = await database.query(sql, name)
      if (ended.length > 0 && text !== undefined) await this.#tell(text)
    })
  }

  /** Whether the administrators know of it as something that lasts. */
  async isOpen(name: string): Promise<boolean> {
    return (await this.#context.database.rows(noticeTable, { name, is_open: 1 })).length > 0
  }

  async #tell(text: string): Promise<void> {
    const { users, outbox } = this.#context
    for (const chatId of await users.administrators()) await outbox.post({ chatId, text })
  }
}
