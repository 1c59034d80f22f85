import type { CommandContext } from '../../context.ts'
import { counted } from '../../core/format.ts'
import type { Person, PersonContext } from '../../core/person.ts'
import { jobsOf } from '../../jobs/index.ts'
import { eraseKeyed } from '../../outbox/index.ts'

interface Notice extends Record<string, unknown> {
  id: string
}

/** What a chat was told of a person's files: also in groups, where only their files say whose a message is. */
export const ingestPerson: Person<CommandContext & PersonContext> = {
  async export({ database }, userId) {
    const waiting = await database.query('SELECT * FROM waiting_notices WHERE user_id = $1', userId)
    const refused = await database.query('SELECT * FROM refusal_notices WHERE user_id = $1', userId)
    return { waiting, refused }
  },

  async erase({ database, links }, userId) {
    const jobs = await jobsOf(database, userId)
    const files = new Set([...jobs.map(({ subject }) => subject), ...(await links.uuidsOf(userId))])
    const [waiting = [], refused = []] = await Promise.all(
      ['waiting_notices', 'refusal_notices'].map((table) =>
        database.query<Notice>(`SELECT id FROM ${table} WHERE user_id = $1`, userId),
      ),
    )
    const keys = [
      ...[...files].map((uuid) => `file:${uuid}`),
      ...jobs.map(({ id }) => `not-again:${id}`),
      ...waiting.map(({ id }) => `waiting:${id}`),
      ...refused.map(({ id }) => `refused:${id}`),
    ]
    const count = await eraseKeyed(database, keys)
    await database.query('DELETE FROM waiting_notices WHERE user_id = $1', userId)
    await database.query('DELETE FROM refusal_notices WHERE user_id = $1', userId)
    return { removed: count > 0 ? [`the texts of ${counted(count, 'message')} about their files`] : [] }
  },
}
