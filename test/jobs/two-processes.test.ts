import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { monotonicNow } from '../../app/core/monotonic-time.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { aLease, type JobsFixture, openJobs } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, 'queue-worker.ts')

/** Whose jobs were begun, in their order. */
async function served(desk: JobsFixture): Promise<number[]> {
  const rows = await desk.database.query<{ user_id: number }>(
    `SELECT jobs.user_id FROM job_events JOIN jobs ON jobs.id = job_events.job_id
     WHERE event_type = 'WORKER_ASSIGNED' ORDER BY job_events.id`,
  )
  return rows.map(({ user_id }) => user_id)
}

const started = (desk: JobsFixture, pause: number) =>
  Promise.all([1, 2].map(() => run(process.execPath, [program, desk.databaseUrl, desk.dir, String(pause)])))

test('two queues in two processes do each job once, and none of their users gets far ahead of another', async (t) => {
  t.timeout(120_000)
  await using desk = await openJobs()
  const users = [1, 2, 3, 4, 5]
  const ids: number[] = []
  // One after the other: by their age alone, all of the first user's would come first.
  await desk.database.transaction(async () => {
    for (const user of users) for (let job = 0; job < 30; job++) ids.push(await desk.job({ user }))
  })
  const outputs = await started(desk, 5)
  const done = outputs.map(({ stdout }) => JSON.parse(stdout) as number[])
  t.deepEqual(
    done.flat().sort((a, b) => a - b),
    ids,
  )
  t.true(
    done.every(({ length }) => length > 10),
    'both worked',
  )
  const order = await served(desk)
  t.is(order.length, ids.length)
  const counts = new Map(users.map((user) => [user, 0]))
  for (const user of order) {
    counts.set(user, (counts.get(user) ?? 0) + 1)
    const [least, most] = [Math.min(...counts.values()), Math.max(...counts.values())]
    t.true(most - least <= 2, `${[...counts.values()]}`)
  }
})

test('who comes while two processes work off someone’s long row is served after one turn of each', async (t) => {
  t.timeout(120_000)
  await using desk = await openJobs()
  for (let job = 0; job < 60; job++) await desk.job({ user: 1 })
  const ended = started(desk, 50)
  await until('both are at work', async () => {
    const rows = await desk.database.query(`SELECT DISTINCT worker FROM jobs WHERE status = 'RUNNING'`)
    return rows.length === 2
  })
  const before = (await served(desk)).length
  const late = await desk.job({ user: 2 })
  await until('it was begun', async () => (await desk.statusOf(late)) !== 'QUEUED')
  await ended
  const order = (await served(desk)).slice(before)
  t.true(order.indexOf(2) >= 0 && order.indexOf(2) <= 2, `${order.slice(0, 8)}`)
})

test('whom another process serves has had a turn here as well', async (t) => {
  await using desk = await openJobs()
  for (const user of [1, 1, 1]) await desk.job({ user, dueAt: monotonicNow() - 1000 })
  const other = new Jobs(desk.database, desk.log)
  await other.claims.next(['test'], 1, aLease('other:1:1'))
  await desk.job({ user: 2 })
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.userId, 2)
})

test('what a job of one process has received is no promise for another one either, once its lease is renewed', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job({ size: 1000 })
  const other = new Jobs(desk.database, desk.log)
  const job = await desk.jobs.claims.next(['test'], 1, aLease())
  desk.jobs.reservations.progressed(job ?? t.fail(), 400)
  t.is(await desk.jobs.reservations.promised(), 600)
  t.is(await other.reservations.promised(), 1000)
  t.deepEqual(await desk.jobs.claims.renew(aLease(), [id]), [id])
  t.is(await other.reservations.promised(), 600)
  desk.jobs.reservations.progressed(job ?? t.fail(), 700)
  t.is(await desk.jobs.reservations.promised(), 300)
  await desk.jobs.transition(id, 'RUNNING', 'QUEUED')
  for (const jobs of [desk.jobs, other]) t.is(await jobs.reservations.promised(), 1000)
})

test('what comes of a file whose size was not announced takes nothing off the promises to others', async (t) => {
  await using desk = await openJobs()
  await desk.job({ size: 0 })
  await desk.job({ user: 2, size: 500 })
  const job = await desk.jobs.claims.next(['test'], 1, aLease())
  desk.jobs.reservations.progressed(job ?? t.fail(), 10_000)
  t.is(await desk.jobs.reservations.promised(), 500)
})
