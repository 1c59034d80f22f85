import { bytes, counted } from '../core/format.ts'
import type { Person } from '../core/person.ts'
import { Usage } from './usage.ts'

/** Links removed in one transaction. */
const batch = 200

interface Gone extends Record<string, unknown> {
  user_id: number
  file_unique_id: string
  size: number
  removed_at: number | null
}

export const linksPerson: Person = {
  async export({ database }, userId) {
    return await database.query('SELECT * FROM links WHERE user_id = $1 ORDER BY created_at, uuid', userId)
  },

  async erase({ database, removeFiles }, userId) {
    const usage = new Usage(database)
    const sum = { links: 0, bytes: 0 }
    for (let left = batch; left === batch; ) {
      const sql = 'SELECT uuid FROM links WHERE user_id = $1 LIMIT $2'
      const uuids = (await database.query<{ uuid: string }>(sql, userId, batch)).map(({ uuid }) => uuid)
      left = uuids.length
      if (left === 0) break
      // First: bytes without a link would stay for days, and a link without bytes is one that ends.
      await removeFiles(uuids)
      const gone = await database.transaction(async () => {
        const places = uuids.map((_, i) => `$${i + 1}`).join(', ')
        const rows = await database.query<Gone>(
          `DELETE FROM links WHERE uuid IN (${places}) RETURNING user_id, file_unique_id, size, removed_at`,
          ...uuids,
        )
        const kept = rows.filter(({ removed_at }) => removed_at === null)
        await usage.subtract(
          kept.map(({ user_id, file_unique_id, size }) => ({
            userId: user_id,
            fileUniqueId: file_unique_id,
            size,
          })),
        )
        return { links: rows.length, bytes: kept.reduce((all, { size }) => all + Number(size), 0) }
      })
      sum.links += gone.links
      sum.bytes += gone.bytes
    }
    await database.query(
      'DELETE FROM link_usage WHERE owner = $1 AND NOT EXISTS (SELECT 1 FROM links WHERE user_id = $1)',
      userId,
    )
    return { removed: sum.links > 0 ? [`${counted(sum.links, 'link')} with ${bytes(sum.bytes)}`] : [] }
  },
}
