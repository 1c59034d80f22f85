import type { Database } from '../core/database/database.ts'
import { counted } from '../core/format.ts'
import type { Person } from '../core/person.ts'

/** Updates looked at with one statement. */
const page = 1000

interface Row extends Record<string, unknown> {
  bot_id: number
  update_id: number
  body: string
}

/** Updates whose bodies are kept and that a person sent: those that wait, and those that were put aside. */
async function* updatesOf(database: Database, userId: number): AsyncGenerator<Row> {
  for (let last: Row | undefined, found = page; found === page; ) {
    const rows: Row[] = await database.query<Row>(
      `SELECT bot_id, update_id, body FROM updates
       WHERE body <> '' AND (bot_id > $1 OR (bot_id = $1 AND update_id > $2)) ORDER BY bot_id, update_id LIMIT $3`,
      last?.bot_id ?? 0,
      last?.update_id ?? 0,
      page,
    )
    for (const row of rows) if (isOf(row.body, userId)) yield row
    last = rows.at(-1)
    found = rows.length
  }
}

/** An update holds one object, of its type (core.telegram.org/bots/api#update). */
function isOf(body: string, userId: number): boolean {
  try {
    const update = JSON.parse(body) as Record<
      string,
      { from?: { id: number }; chat?: { id: number } } | number
    >
    return Object.values(update).some(
      (part) => typeof part === 'object' && (part.from?.id === userId || part.chat?.id === userId),
    )
  } catch {
    // Whose a damaged one was, nobody can tell.
    return false
  }
}

export const telegramPerson: Person = {
  async export({ database }, userId) {
    const updates: unknown[] = []
    for await (const { body } of updatesOf(database, userId)) updates.push(JSON.parse(body))
    return updates
  },

  async erase({ database }, userId) {
    let count = 0
    for await (const { bot_id, update_id } of updatesOf(database, userId)) {
      // The row tells when Telegram repeats it.
      await database.query(
        `UPDATE updates SET body = '', chat_id = NULL, handled_at = COALESCE(handled_at, $3) WHERE bot_id = $1 AND update_id = $2`,
        bot_id,
        update_id,
        Date.now(),
      )
      count++
    }
    return { removed: count > 0 ? [`${counted(count, 'update')} from Telegram`] : [] }
  },
}
