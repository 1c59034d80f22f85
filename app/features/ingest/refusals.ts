import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { BotContext } from '../../context.ts'
import type { Place } from '../../core/bot-api.ts'
import { monotonicNow } from '../../core/monotonic-time.ts'
import { moveWithChats } from './move-notices.ts'
import { type NotTaken, notTaken, severalNotTaken } from './texts.ts'

/** Milliseconds of silence after which a refusal begins a new message. */
const burst = 60_000

/** Milliseconds between two edits of a message that lists files. */
const every = 3000

/** Characters of one message, of the 4096 that Telegram takes; the name of a file is at most 255 bytes. */
const maxLength = 3500

interface Notice extends Record<string, unknown> {
  id: string
  files: string
}

const listed = z.array(z.object({ file: z.string(), because: z.string(), advice: z.string() }))

/**
 * Tells of every file that is not taken. Several of a user in a chat or topic, one after another, share a message that is kept
 * up to date: none is passed over in silence, and who sends a hundred of them gets no hundred answers.
 */
export class Refusals {
  readonly #context: BotContext

  constructor(context: BotContext) {
    this.#context = context
    moveWithChats(context, 'refusal_notices')
  }

  /** Call it in the transaction that handles the file. */
  async add(userId: number, place: Place, file: NotTaken): Promise<void> {
    const { database, telegram } = this.#context
    const now = monotonicNow()
    const of = [telegram.id, place.chatId, userId, place.threadId]
    const [last] = await database.query<Notice>(
      `SELECT id, files FROM refusal_notices WHERE bot_id = $1 AND chat_id = $2 AND user_id = $3
         AND thread_id IS NOT DISTINCT FROM CAST($4 AS BIGINT) AND last_at BETWEEN $5 AND $6`,
      ...of,
      now - burst,
      now,
    )
    const before = last && this.#read(last)
    const files = [...(before ?? []), file]
    const text = severalNotTaken(files)
    if (last && before && text.length <= maxLength) {
      const sql = 'UPDATE refusal_notices SET files = $2, last_at = $3 WHERE id = $1'
      await database.query(sql, last.id, JSON.stringify(files), now)
      return await this.#post(last.id, place, text)
    }
    // The one before is over, full, or damaged.
    const ended = `DELETE FROM refusal_notices
      WHERE bot_id = $1 AND chat_id = $2 AND user_id = $3 AND thread_id IS NOT DISTINCT FROM CAST($4 AS BIGINT)`
    await database.query(ended, ...of)
    const id = randomUUID()
    const sql = `INSERT INTO refusal_notices (bot_id, chat_id, user_id, thread_id, id, files, last_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7)`
    await database.query(sql, ...of, id, JSON.stringify([file]), now)
    await this.#post(id, place, notTaken(file))
  }

  /** Forgets what a next refusal will not be added to. */
  async forget(): Promise<void> {
    const { database, telegram } = this.#context
    const sql = 'DELETE FROM refusal_notices WHERE bot_id = $1 AND last_at < $2'
    await database.query(sql, telegram.id, monotonicNow() - burst)
  }

  /** Undefined when the row is damaged: what it listed stands in the chat, and the next message goes on. */
  #read({ id, files }: Notice): NotTaken[] | undefined {
    try {
      return listed.parse(JSON.parse(files))
    } catch (error) {
      this.#context.log.error(
        { notice: id, error },
        'a list of files that were not taken cannot be read: dropped',
      )
      return undefined
    }
  }

  async #post(id: string, place: Place, text: string): Promise<void> {
    await this.#context.outbox.post({ ...place, key: `refused:${id}`, text, every })
  }
}
