import test from 'ava'
import type { Status } from '../../app/jobs/states.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { aLease, typeOf } from '../helpers/open-jobs.ts'

const create = (depot: Depot, key: string, bytes = 100) =>
  depot.jobs.create(typeOf('test'), { key, botId: 1, userId: 7, chatId: 9, payload: { name: 'Ж', bytes } })

async function put(depot: Depot, id: number, status: Status): Promise<void> {
  await depot.database.query('UPDATE jobs SET status = $1 WHERE id = $2', status, id)
}

test('of many that finish the same job at once, one does', async (t) => {
  await using depot = await openDepot()
  const id = (await create(depot, 'a')) ?? 0
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
  const ids = await Promise.all(['a', 'a', 'b'].map((key) => create(depot, key)))
  t.is(ids.filter((id) => id !== undefined).length, 2)
  t.deepEqual(await depot.database.query('SELECT count(*) AS n FROM jobs'), [{ n: 2 }])
})

test('a job is claimed with what it was made of, and counted as an attempt', async (t) => {
  await using depot = await openDepot()
  const id = await create(depot, 'a')
  const claimed = await depot.jobs.claims.next(['test'], 1, aLease())
  t.like(claimed, { id, userId: 7, chatId: 9, attempts: 1, payload: { name: 'Ж' } })
})

test('a move of a job that is not there is refused', async (t) => {
  await using depot = await openDepot()
  t.false(await depot.jobs.transition(999, 'RUNNING', 'FAILED'))
})

test('bytes are promised until the job has ended', async (t) => {
  await using depot = await openDepot()
  const id = (await create(depot, 'a')) ?? 0
  await create(depot, 'b', 50)
  t.is(await depot.jobs.reservations.promised(), 150)
  await put(depot, id, 'COMPLETED')
  t.is(await depot.jobs.reservations.promised(), 50)
  t.deepEqual(await depot.jobs.reservations.reserved(7), { user: 50, store: 50 })
})

test('no token gets into the rows of a job', async (t) => {
  await using depot = await openDepot()
  const token = `8418233161:AA${'x'.repeat(33)}`
  const id = (await create(depot, 'a')) ?? 0
  const claimed = await depot.jobs.claims.next(['test'], 1, aLease())
  const errorMessage = `ENOENT: no such file, stat '/var/lib/bot-api/${token}/documents/file_1'`
  await depot.jobs.transition(id, 'RUNNING', 'FAILED', { errorType: 'UNKNOWN', errorMessage })
  await depot.jobs.events.record(claimed ?? t.fail(), 'JOB_FAILED', { error: errorMessage })
  const rows = await depot.database.query('SELECT error_message, data FROM jobs, job_events')
  t.false(JSON.stringify(rows).includes(token))
  t.true(JSON.stringify(rows).includes('ENOENT'))
})
