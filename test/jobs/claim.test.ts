import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { aLease, openJobs } from '../helpers/open-jobs.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, 'claim-worker.ts')

test('of several processes on one database each job goes to one', async (t) => {
  t.timeout(60_000)
  await using desk = await openJobs()
  const ids: number[] = []
  await desk.database.transaction(async () => {
    for (let job = 0; job < 400; job++) ids.push(await desk.job({ user: job % 7 }))
  })
  const workers = ['a', 'b', 'c', 'd']
  const outputs = await Promise.all(
    workers.map((worker) => run(process.execPath, [program, desk.databaseUrl, worker])),
  )
  const had = outputs.map(({ stdout }) => JSON.parse(stdout) as number[])
  t.deepEqual(
    had.flat().sort((a, b) => a - b),
    ids,
  )
  t.true(had.filter(({ length }) => length > 0).length > 1, 'more than one of them worked')
  const [events] = await desk.database.query<{ n: number }>(
    `SELECT COUNT(*) AS n FROM job_events WHERE event_type = 'WORKER_ASSIGNED'`,
  )
  t.is(events?.n, 400)
  t.is((await desk.database.query(`SELECT id FROM jobs WHERE status = 'COMPLETED'`)).length, 400)
})

test('a job is not taken before its time, nor by another kind', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  t.is(await desk.jobs.claims.next(['other'], 1, aLease()), undefined)
  await desk.jobs.claims.next(['test'], 1, aLease())
  await desk.jobs.transition(id, 'RUNNING', 'QUEUED', { dueAt: Date.now() + 60_000 })
  t.is(await desk.jobs.claims.next(['test'], 1, aLease()), undefined)
  await desk.jobs.hurry(id, { unless: 'RATE_LIMIT' })
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.id, id)
})
