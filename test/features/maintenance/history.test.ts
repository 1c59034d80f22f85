import test from 'ava'
import type { BotContext } from '../../../app/context.ts'
import { Health } from '../../../app/core/health.ts'
import { forgetHistory } from '../../../app/features/maintenance/history.ts'
import { Jobs } from '../../../app/jobs/index.ts'
import { Outbox } from '../../../app/outbox/index.ts'
import { TelegramBot, telegramSettings } from '../../../app/telegram/index.ts'
import { newToken } from '../../bot-api/fresh.ts'
import { onPostgres } from '../../helpers/database-in.ts'
import { type JobsFixture, openJobs } from '../../helpers/open-jobs.ts'
import { planOf, recordStatements } from '../../helpers/record-statements.ts'

const ofSqlite = onPostgres ? test.skip : test

const day = 86_400_000
const old = () => Date.now() - 91 * day
const young = () => Date.now() - 89 * day

/** As far as the sweep uses a context. */
function contextOf({ jobs, database, log }: JobsFixture): BotContext {
  const settings = telegramSettings.parse({ TELEGRAM_BOT_TOKEN: newToken() })
  const telegram = new TelegramBot({ settings, database, health: new Health(database, []), log })
  const outbox = new Outbox(database, log)
  return { jobs, telegram, outbox, database, log, clock: { isTrusted: true } } as BotContext
}

const sweep = (desk: JobsFixture) => forgetHistory(contextOf(desk), new AbortController().signal)

/** A job that came to a status at a moment. */
async function jobOf(desk: JobsFixture, status: string, at: number): Promise<number> {
  const id = await desk.job()
  await desk.database.query('UPDATE jobs SET status = $2, updated_at = $3 WHERE id = $1', id, status, at)
  return id
}

const jobIds = async ({ database }: JobsFixture) =>
  (await database.query<{ id: number }>('SELECT id FROM jobs ORDER BY id')).map(({ id }) => id)

test('jobs that ended more than 90 days ago go with their events; younger and unended ones stay', async (t) => {
  await using desk = await openJobs()
  for (const status of ['COMPLETED', 'FAILED']) await jobOf(desk, status, old())
  const kept = [
    await jobOf(desk, 'COMPLETED', young()),
    await jobOf(desk, 'FAILED', young()),
    await jobOf(desk, 'QUEUED', old()),
    await jobOf(desk, 'RUNNING', old()),
    await desk.job(),
  ]
  await sweep(desk)
  t.deepEqual(await jobIds(desk), kept)
  const events = await desk.database.query<{ job_id: number }>(
    'SELECT DISTINCT job_id FROM job_events ORDER BY job_id',
  )
  t.deepEqual(
    events.map(({ job_id }) => job_id),
    kept,
  )
  t.like(desk.lines.at(-1), { jobs: 2, cleanups: 0 })
})

test('the id of a job that was removed is not given to another one', async (t) => {
  await using desk = await openJobs()
  const last = await jobOf(desk, 'COMPLETED', old())
  await sweep(desk)
  t.true((await desk.job()) > last)
})

test('more rows than one batch go in one run, which says nothing when there is nothing', async (t) => {
  await using desk = await openJobs()
  await desk.database.transaction(async () => {
    for (let made = 0; made < 450; made++) await desk.job()
  })
  await desk.database.query(`UPDATE jobs SET status = 'COMPLETED', updated_at = $1`, old())
  const newest = await desk.job()
  await sweep(desk)
  t.deepEqual(await jobIds(desk), [newest])
  const said = desk.lines.length
  await sweep(desk)
  t.is(desk.lines.length, said)
})

test('a run that is told to stop ends after the batch that it is at', async (t) => {
  await using desk = await openJobs()
  await desk.database.transaction(async () => {
    for (let made = 0; made < 450; made++) await desk.job()
  })
  await desk.database.query(`UPDATE jobs SET status = 'FAILED', updated_at = $1`, old())
  const stop = new AbortController()
  const database = {
    ...desk.database,
    async query<R extends Record<string, unknown>>(sql: string, ...parameters: unknown[]): Promise<R[]> {
      const rows = await desk.database.query<R>(sql, ...parameters)
      stop.abort()
      return rows
    },
  }
  const jobs = new Jobs(database, desk.log)
  await forgetHistory({ ...contextOf(desk), jobs, database }, stop.signal)
  t.is((await jobIds(desk)).length, 250)
})

test('finished clean-ups of more than 90 days ago go, asked-for ones stay', async (t) => {
  await using desk = await openJobs()
  for (const finished of [old(), young(), null]) {
    const sql = 'INSERT INTO cleanups (requested_at, finished_at) VALUES (1, $1)'
    await desk.database.query(sql, finished)
  }
  await sweep(desk)
  t.deepEqual(await desk.database.query('SELECT id FROM cleanups ORDER BY id'), [{ id: 2 }, { id: 3 }])
})

test('delivered messages stay ten days longer than the jobs they show, waiting ones for good', async (t) => {
  await using desk = await openJobs()
  const write = (at: number, sent: number) =>
    desk.database.query(
      `INSERT INTO messages (bot_id, chat_id, text, sent_revision, due_at, created_at) VALUES (1, 1, '', $1, 1, $2)`,
      sent,
      at,
    )
  await write(Date.now() - 101 * day, 1)
  await write(Date.now() - 101 * day, 0)
  await write(Date.now() - 99 * day, 1)
  await write(Date.now(), 1)
  await sweep(desk)
  const rows = await desk.database.query<{ id: number }>('SELECT id FROM messages ORDER BY id')
  t.deepEqual(
    rows.map(({ id }) => id),
    [2, 3, 4],
  )
})

ofSqlite('what is to go is found by an index, and no table is read through', async (t) => {
  await using desk = await openJobs()
  const { database, statements } = recordStatements(desk.database)
  const jobs = new Jobs(database, desk.log)
  await forgetHistory({ ...contextOf(desk), jobs, database }, new AbortController().signal)
  const steps: string[] = []
  for (const sql of statements) steps.push(...(await planOf(desk.database, sql)))
  for (const index of ['jobs_ended', 'job_events_job', 'cleanups_finished']) {
    t.true(
      steps.some((step) => step.includes(`INDEX ${index} `)),
      `${index} in ${steps}`,
    )
  }
  t.deepEqual(
    steps.filter((step) => step.startsWith('SCAN')),
    [],
  )
})
