import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { mayMove, type Status, statuses } from '../../app/jobs/states.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'

const job = (key: string, more: object = {}) => ({
  kind: 'ingest',
  key,
  botId: 1,
  userId: 7,
  chatId: 9,
  size: 100,
  payload: { name: 'Ж' },
  ...more,
})

const allowed = new Set([
  'PENDING QUEUED',
  'PENDING FAILED',
  'QUEUED RUNNING',
  'QUEUED FAILED',
  'RUNNING COMPLETED',
  'RUNNING FAILED',
  'RUNNING QUEUED',
])

const moves = statuses.flatMap((from) => statuses.map((to): [Status, Status] => [from, to]))

async function put(depot: Depot, id: number, status: Status): Promise<void> {
  await depot.database.query('UPDATE jobs SET status = $1 WHERE id = $2', status, id)
}

test('each allowed move changes the status and writes its event; every other one is refused, logged, and changes nothing', async (t) => {
  await using depot = await openDepot()
  const id = (await depot.jobs.create(job('a'))) ?? 0
  const events = () => depot.database.query<{ data: string }>('SELECT data FROM job_events ORDER BY id')
  for (const [from, to] of moves) {
    await put(depot, id, from)
    const before = (await events()).length
    const isAllowed = allowed.has(`${from} ${to}`)
    t.is(mayMove(from, to), isAllowed)
    t.is(await depot.jobs.transition(id, from, to), isAllowed, `${from} → ${to}`)
    t.is((await depot.jobs.find(id))?.status, isAllowed ? to : from)
    const written = (await events()).slice(before)
    if (isAllowed) t.like(JSON.parse(written[0]?.data ?? ''), { from, to })
    else {
      t.deepEqual(written, [])
      t.like(depot.lines.at(-1), { job_id: id, from, to, level: 50 })
    }
  }
})

test('a move from a status that the job has left is refused', async (t) => {
  await using depot = await openDepot()
  const id = (await depot.jobs.create(job('a'))) ?? 0
  await put(depot, id, 'COMPLETED')
  t.false(await depot.jobs.transition(id, 'RUNNING', 'FAILED'))
  t.is((await depot.jobs.find(id))?.status, 'COMPLETED')
  t.false(await depot.jobs.transition(999, 'RUNNING', 'FAILED'))
})

test('of many that finish the same job at once, one does', async (t) => {
  await using depot = await openDepot()
  const id = (await depot.jobs.create(job('a'))) ?? 0
  await put(depot, id, 'RUNNING')
  const done = await Promise.all(
    Array.from({ length: 10 }, () => depot.jobs.transition(id, 'RUNNING', 'COMPLETED')),
  )
  t.deepEqual(
    done.filter((won) => won),
    [true],
  )
})

test('the same key makes one job', async (t) => {
  await using depot = await openDepot()
  const ids = await Promise.all([job('a'), job('a'), job('b')].map((each) => depot.jobs.create(each)))
  t.is(ids.filter((id) => id !== undefined).length, 2)
  t.deepEqual(await depot.database.query('SELECT count(*) AS n FROM jobs'), [{ n: 2 }])
})

test('a job is claimed with what it was made of, oldest first, and counted as an attempt', async (t) => {
  await using depot = await openDepot()
  const first = await depot.jobs.create(job('a'))
  await depot.jobs.create(job('b'))
  await depot.jobs.create(job('other', { kind: 'media' }))
  const claimed = await depot.jobs.claim('ingest', 'w', Date.now() + 1000)
  t.like(claimed, { id: first, userId: 7, chatId: 9, attempts: 1, payload: { name: 'Ж' } })
  t.truthy(await depot.jobs.claim('ingest', 'w', Date.now() + 1000))
  t.is(await depot.jobs.claim('ingest', 'w', Date.now() + 1000), undefined)
})

test('a job that waits for its time is not claimed before it, but can be hurried', async (t) => {
  await using depot = await openDepot()
  const id = (await depot.jobs.create(job('a'))) ?? 0
  await depot.jobs.claim('ingest', 'w', 0)
  await depot.jobs.transition(id, 'RUNNING', 'QUEUED', { dueAt: Date.now() + 60_000 })
  t.is(await depot.jobs.claim('ingest', 'w', 0), undefined)
  await depot.jobs.hurry(id)
  t.is((await depot.jobs.claim('ingest', 'w', 0))?.id, id)
})

test('what a worker that is gone was doing is queued again, what others have is not touched', async (t) => {
  await using depot = await openDepot()
  const ids = []
  for (const key of ['a', 'b', 'c']) ids.push((await depot.jobs.create(job(key))) ?? 0)
  await depot.jobs.claim('ingest', 'w', 0)
  await put(depot, ids[1] ?? 0, 'FAILED')
  t.is(await depot.jobs.recover('ingest'), 1)
  const found = await depot.database.query('SELECT status FROM jobs ORDER BY id')
  t.deepEqual(found, [{ status: 'QUEUED' }, { status: 'FAILED' }, { status: 'QUEUED' }])
})

test('bytes are promised until the job has ended', async (t) => {
  await using depot = await openDepot()
  const id = (await depot.jobs.create(job('a'))) ?? 0
  await depot.jobs.create(job('b', { size: 50 }))
  t.is(await depot.jobs.promised(), 150)
  await put(depot, id, 'COMPLETED')
  t.is(await depot.jobs.promised(), 50)
})

test('no token gets into the rows of a job', async (t) => {
  await using depot = await openDepot()
  const token = `8418233161:AA${'x'.repeat(33)}`
  const id = (await depot.jobs.create(job('a'))) ?? 0
  await depot.jobs.claim('ingest', 'w', 0)
  const errorMessage = `ENOENT: no such file, stat '/var/lib/bot-api/${token}/documents/file_1'`
  await depot.jobs.transition(id, 'RUNNING', 'FAILED', { errorType: 'UNKNOWN', errorMessage })
  await depot.jobs.record(id, 'JOB_FAILED', { error: errorMessage })
  const rows = await depot.database.query('SELECT error_message, data FROM jobs, job_events')
  t.false(JSON.stringify(rows).includes(token))
  t.true(JSON.stringify(rows).includes('ENOENT'))
})

test('three processes claim 300 jobs: each is claimed once', async (t) => {
  await using depot = await openDepot()
  await depot.database.transaction(async () => {
    for (let i = 0; i < 300; i++) await depot.jobs.create(job(`k${i}`))
  })
  const program = join(import.meta.dirname, '../helpers/claim-jobs.ts')
  const claimed = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const { stdout } = await promisify(execFile)(process.execPath, [program, depot.databaseFile, name])
      return JSON.parse(stdout) as number[]
    }),
  )
  const all = claimed.flat().sort((x, y) => x - y)
  t.deepEqual(all, [...new Set(all)])
  t.is(all.length, 300)
})
