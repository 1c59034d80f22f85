import type { Person } from '../core/person.ts'

export const usersPerson: Person = {
  async export({ database }, userId) {
    return await database.query('SELECT claimed_at FROM bot_owner WHERE user_id = $1', userId)
  },

  async erase({ database }, userId) {
    const sql = 'DELETE FROM bot_owner WHERE user_id = $1 RETURNING user_id'
    const wasOwner = (await database.query(sql, userId)).length > 0
    return { removed: wasOwner ? ['their ownership of the bot'] : [] }
  },
}
