import { counted } from '../../core/format.ts'
import type { Person } from '../../core/person.ts'

export const notesPerson: Person = {
  async export({ database }, userId) {
    return await database.query('SELECT id, words FROM notes WHERE user_id = $1 ORDER BY id', userId)
  },

  async erase({ database }, userId) {
    const rows = await database.query('DELETE FROM notes WHERE user_id = $1 RETURNING id', userId)
    return { removed: rows.length > 0 ? [counted(rows.length, 'note')] : [] }
  },
}
