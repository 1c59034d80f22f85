import type { Database } from '../core/database/database.ts'
import { counted } from '../core/format.ts'
import type { Person } from '../core/person.ts'

/** Messages removed in one transaction. */
const batch = 200

/** Removes messages by their keys, as those in groups that are about a person. Returns how many. */
export async function eraseKeyed(database: Database, keys: string[]): Promise<number> {
  let count = 0
  for (let at = 0; at < keys.length; at += batch) {
    const some = keys.slice(at, at + batch)
    const places = some.map((_, i) => `$${i + 1}`).join(', ')
    const sql = `SELECT id FROM messages WHERE message_key IN (${places})`
    const rows = await database.query<{ id: number }>(sql, ...some)
    await forget(
      database,
      rows.map(({ id }) => id),
    )
    count += rows.length
  }
  return count
}

/** What was said in a person's own chat, whose id is theirs. */
export const outboxPerson: Person = {
  async export({ database }, userId) {
    const messages = await database.query('SELECT * FROM messages WHERE chat_id = $1 ORDER BY id', userId)
    const closed = await database.query('SELECT * FROM closed_chats WHERE chat_id = $1', userId)
    return { messages, closed_chats: closed }
  },

  async erase({ database }, userId) {
    let count = 0
    for (let found = batch; found === batch; ) {
      const sql = 'SELECT id FROM messages WHERE chat_id = $1 LIMIT $2'
      const rows = await database.query<{ id: number }>(sql, userId, batch)
      found = rows.length
      await forget(
        database,
        rows.map(({ id }) => id),
      )
      count += found
    }
    await database.query('DELETE FROM closed_chats WHERE chat_id = $1', userId)
    return { removed: count > 0 ? [`the texts of ${counted(count, 'message')}`] : [] }
  },
}

/** The newest row stays, empty and nobody's: SQLite would give its id to the next one, and rows are known by their ids. */
async function forget(database: Database, ids: number[]): Promise<void> {
  if (ids.length === 0) return
  const places = ids.map((_, i) => `$${i + 1}`).join(', ')
  await database.transaction(async () => {
    await database.query(
      `DELETE FROM messages WHERE id IN (${places}) AND id < (SELECT MAX(id) FROM messages) RETURNING id`,
      ...ids,
    )
    await database.query(
      `UPDATE messages SET chat_id = 0, thread_id = NULL, reply_to = NULL, message_id = NULL, text = '', keyboard = NULL,
         topic = NULL, message_key = NULL, sent_revision = revision, failure = NULL, sending_after = NULL,
         progress = NULL, content = NULL, options = NULL, delivered = NULL, last_message_id = NULL, kind = NULL
       WHERE id IN (${places})`,
      ...ids,
    )
  })
}
