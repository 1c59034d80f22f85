import type { Database } from '../core/database/database.ts'
import { counted } from '../core/format.ts'
import type { Person } from '../core/person.ts'
import { Jobs } from './jobs.ts'
import { ended, type Status } from './states.ts'

/** Jobs removed in one transaction; each takes about ten events with it. */
const batch = 200

interface Row extends Record<string, unknown> {
  id: number
  status: Status
  subject: string | null
}

/** A person's jobs, and the UUIDs that they make or made. */
export async function jobsOf(database: Database, userId: number): Promise<Row[]> {
  return await database.query<Row>('SELECT id, status, subject FROM jobs WHERE user_id = $1', userId)
}

export const jobsPerson: Person = {
  async export({ database }, userId) {
    const jobs = await database.query('SELECT * FROM jobs WHERE user_id = $1 ORDER BY id', userId)
    const events = await database.query(
      'SELECT * FROM job_events WHERE job_id IN (SELECT id FROM jobs WHERE user_id = $1) ORDER BY id',
      userId,
    )
    return { jobs, events }
  },

  async erase({ database, log, removeFiles }, userId) {
    const jobs = new Jobs(database, log)
    // What waits must not begin any more; what runs has its worker, and ends by itself.
    for (const { id, status } of await jobsOf(database, userId)) {
      if (status === 'PENDING' || status === 'QUEUED')
        await jobs.transition(id, status, 'FAILED', { reason: 'the person is erased' })
    }
    const running = (await jobsOf(database, userId)).filter(({ status }) => status === 'RUNNING')
    const inUse = new Set(running.map(({ subject }) => subject))
    let count = 0
    for (let found = batch; found === batch; ) {
      const sql = `SELECT id, status, subject FROM jobs WHERE user_id = $1 AND status IN ${ended} LIMIT $2`
      const rows = await database.query<Row>(sql, userId, batch)
      found = rows.length
      if (found === 0) break
      // Of a link that was never recorded; a job that runs may be at it again.
      await removeFiles(
        rows.flatMap(({ subject }) => (subject === null || inUse.has(subject) ? [] : [subject])),
      )
      await database.transaction(() =>
        forget(
          database,
          rows.map(({ id }) => id),
        ),
      )
      count += found
    }
    return {
      removed: count > 0 ? [`${counted(count, 'job')} with what was recorded of it`] : [],
      left:
        running.length > 0
          ? [`${counted(running.length, 'job')} of theirs runs now: repeat this in a while.`]
          : [],
    }
  },
}

/** The newest row stays, empty and nobody's: SQLite would give its id again, and buttons name ids. */
async function forget(database: Database, ids: number[]): Promise<void> {
  const places = ids.map((_, i) => `$${i + 1}`).join(', ')
  await database.query(
    `DELETE FROM jobs WHERE id IN (${places}) AND id < (SELECT MAX(id) FROM jobs) RETURNING id`,
    ...ids,
  )
  await database.query(`DELETE FROM job_events WHERE job_id IN (${places})`, ...ids)
  await database.query(
    `UPDATE jobs SET user_id = 0, chat_id = 0, size = 0, user_bytes = 0, payload = '{}', subject = NULL,
       error_message = NULL, job_key = 'erased:' || CAST(id AS TEXT) WHERE id IN (${places})`,
    ...ids,
  )
}
