import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { aLease, openJobs } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

/** The name of a worker whose process has just ended. */
async function deadWorker(): Promise<string> {
  const child = spawn('true')
  await once(child, 'close')
  return `${hostname()}:${child.pid}:1`
}

test('the job of a process that has ended goes on at the start of another one, without counting', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  await desk.jobs.claims.next(['test'], 1, aLease(await deadWorker()))
  await using queue = desk.queue({})
  await queue.start()
  await until('the job is done', async () => (await desk.statusOf(id)) === 'COMPLETED')
  const events = (await desk.events(id)).map(({ event_type }) => event_type)
  t.true(events.includes('JOB_RECOVERED_STALE'))
  t.is((await desk.jobs.find(id))?.attempts, 1)
})

test('the job of a living process of this machine is left to it', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  await desk.jobs.claims.next(['test'], 1, aLease(`${hostname()}:${process.ppid}:1`))
  await using queue = desk.queue({})
  t.is(await queue.recover(), 0)
  t.is(await desk.statusOf(id), 'RUNNING')
})

test('of another machine, only the end of its lease gives a job free', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  await desk.jobs.claims.next(['test'], 1, aLease('elsewhere:1:1'))
  await using queue = desk.queue({})
  t.is(await queue.recover(), 0)
  await desk.database.query('UPDATE jobs SET lease_until = $1', Date.now() - 1)
  t.is(await queue.recover(), 1)
  t.is(await desk.statusOf(id), 'QUEUED')
})

test.serial('a lease is renewed while the worker is at it, and only for what it works on', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  const forgotten = await desk.job({ kind: 'other' })
  const leases = async () =>
    await desk.database.query<{ id: number; lease_until: number; worker: string }>(
      'SELECT id, lease_until, worker FROM jobs ORDER BY id',
    )
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const queue = desk.queue({ run: (_job, signal) => delay(60_000, undefined, { signal }) })
  await queue.start()
  await until('it is at work', async () => (await desk.statusOf(id)) === 'RUNNING')
  const [mine] = await leases()
  await desk.jobs.claims.next(['other'], 1, { worker: mine?.worker ?? '', until: Date.now() + 60_000 })
  await desk.database.query('UPDATE jobs SET lease_until = $1', Date.now() + 5000)
  mock.timers.tick(20_000)
  const [renewed, left] = await until('the lease is renewed', async () => {
    const rows = await leases()
    return (rows[0]?.lease_until ?? 0) > Date.now() + 50_000 ? rows : undefined
  })
  t.is(renewed?.worker, mine?.worker)
  t.is(left?.id, forgotten)
  t.true((left?.lease_until ?? 0) <= Date.now() + 5000)
  await queue[Symbol.asyncDispose]()
})

test.serial('a worker lets go of a job that someone else has taken over', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let stopped = false
  const run = async (_job: unknown, signal: AbortSignal) => {
    await delay(60_000, undefined, { signal }).catch(() => {
      stopped = true
    })
    throw new Error('stopped')
  }
  const queue = desk.queue({ run })
  await queue.start()
  await until('it is at work', async () => (await desk.statusOf(id)) === 'RUNNING')
  await desk.database.query(`UPDATE jobs SET worker = 'elsewhere:1:1'`)
  mock.timers.tick(20_000)
  await until('it has let go', () => stopped)
  t.is(await desk.statusOf(id), 'RUNNING')
  await queue[Symbol.asyncDispose]()
})

test.serial('what a job had on the disk is not taken off the promises once it is lost', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job({ size: 100 })
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let ended = false
  const queue = desk.queue({
    async run(job, signal) {
      desk.jobs.reservations.progressed(job, 60)
      await delay(60_000, undefined, { signal }).finally(() => {
        ended = true
      })
    },
  })
  await queue.start()
  await until('it has progressed', async () => (await desk.jobs.reservations.promised()) === 40)
  await desk.database.query(`UPDATE jobs SET worker = 'elsewhere:1:1' WHERE id = $1`, id)
  mock.timers.tick(20_000)
  await until('it has let go', () => ended)
  await queue[Symbol.asyncDispose]()
  t.is(await desk.jobs.reservations.promised(), 100)
})

test('a stop hands the running job back at once, and the attempt does not count', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  const queue = desk.queue({ run: (_job, signal) => delay(60_000, undefined, { signal }) })
  await queue.start()
  await until('it is at work', async () => (await desk.statusOf(id)) === 'RUNNING')
  await queue[Symbol.asyncDispose]()
  t.like(await desk.jobs.find(id), { status: 'QUEUED', attempts: 0 })
})
