import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { Job, JobKind, Lane, Queue } from '../../app/jobs/index.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { kindOf, queueOf, typeOf } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

const add = (depot: Depot, key: string) =>
  depot.jobs.create(typeOf('test'), { key, botId: 1, userId: 1, chatId: 1, payload: { key } })

const nameOf = (job: Job) => (job.payload as { key: string }).key

async function startQueue(depot: Depot, parts: Partial<JobKind & Lane>): Promise<Queue> {
  const queue = queueOf(depot, depot.jobs, [kindOf(depot.jobs, { retries: [60, 60], ...parts })])
  await queue.start()
  return queue
}

const statuses = async (depot: Depot) =>
  (await depot.database.query<{ status: string }>('SELECT status FROM jobs ORDER BY id')).map(
    ({ status }) => status,
  )

const allEnded = (depot: Depot, ms?: number) =>
  until(
    'all jobs have ended',
    async () => (await statuses(depot)).every((s) => /COMPLETED|FAILED/.test(s)),
    ms,
  )

test('jobs are done in their order, one at a time, also those that come later', async (t) => {
  await using depot = await openDepot()
  const done: string[] = []
  let running = 0
  let most = 0
  await add(depot, 'a')
  await using _queue = await startQueue(depot, {
    async run(job) {
      most = Math.max(most, ++running)
      await delay(20)
      running--
      done.push(nameOf(job))
      await depot.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
    },
  })
  for (const key of ['b', 'c', 'd']) await add(depot, key)
  await allEnded(depot, 900)
  t.deepEqual(done, ['a', 'b', 'c', 'd'])
  t.is(most, 1)
})

test('a job that fails for good is told once, in the transaction that ends it', async (t) => {
  await using depot = await openDepot()
  const told: unknown[] = []
  await using _queue = await startQueue(depot, {
    async run() {
      throw new Error('broken')
    },
    async onFailure(job, error, retryIn) {
      told.push([nameOf(job), String(error), retryIn, (await depot.jobs.find(job.id))?.status])
    },
  })
  await add(depot, 'a')
  await allEnded(depot)
  t.deepEqual(told, [['a', 'Error: broken', undefined, 'FAILED']])
  t.deepEqual(await depot.database.query('SELECT error_type, error_message FROM jobs'), [
    { error_type: 'TEST', error_message: 'Error: broken' },
  ])
})

test('a job that may be tried again waits its time, and counts its attempts', async (t) => {
  await using depot = await openDepot()
  const at: number[] = []
  await using _queue = await startQueue(depot, {
    async run(job) {
      at.push(Date.now())
      if (job.attempts < 3) throw new Error('not yet')
      await depot.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
    },
    classify: () => ({ errorType: 'TEST', message: 'x', retryable: true, retryAfter: 300 }),
  })
  await add(depot, 'a')
  await allEnded(depot)
  t.is(at.length, 3)
  t.true(at.every((time, i) => i === 0 || time - Number(at[i - 1]) >= 300))
})

test('the end of the queue hands its job back without counting it, and begins no other', async (t) => {
  await using depot = await openDepot()
  const begun: string[] = []
  const queue = await startQueue(depot, {
    async run(job, signal) {
      begun.push(nameOf(job))
      await delay(60_000, undefined, { signal })
    },
  })
  await add(depot, 'a')
  await add(depot, 'b')
  await until('the first has begun', () => begun.length > 0)
  await queue[Symbol.asyncDispose]()
  t.deepEqual(begun, ['a'])
  t.deepEqual(await depot.database.query('SELECT status, attempts FROM jobs'), [
    { status: 'QUEUED', attempts: 0 },
    { status: 'QUEUED', attempts: 0 },
  ])
})

test('while nothing can be done, jobs wait and do not fail', async (t) => {
  await using depot = await openDepot()
  let isReady = false
  await using _queue = await startQueue(depot, { ready: () => isReady })
  await add(depot, 'a')
  await delay(200)
  t.deepEqual(await statuses(depot), ['QUEUED'])
  isReady = true
  await allEnded(depot)
  t.deepEqual(await statuses(depot), ['COMPLETED'])
})

test('a failure to tell does not stop the queue', async (t) => {
  await using depot = await openDepot()
  let tells = 0
  await using _queue = await startQueue(depot, {
    async run(job) {
      if (nameOf(job) === 'a') throw new Error('broken')
      await depot.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
    },
    async onFailure() {
      tells++
      throw new Error('nobody listens')
    },
  })
  await add(depot, 'a')
  await add(depot, 'b')
  await until('the second is done', async () => (await statuses(depot))[1] === 'COMPLETED')
  t.true(tells >= 1)
})

test('jobs that come at the same moment take all places at once', async (t) => {
  await using depot = await openDepot()
  const running = new Set<string>()
  const all = Promise.withResolvers<void>()
  await using _queue = await startQueue(depot, {
    concurrency: 5,
    async run(job) {
      running.add(nameOf(job))
      await all.promise
      await depot.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
    },
  })
  await depot.database.transaction(async () => {
    for (const key of ['a', 'b', 'c', 'd', 'e']) await add(depot, key)
  })
  await until('all of them run', () => running.size === 5)
  all.resolve()
  await allEnded(depot)
  t.is(running.size, 5)
})

test('a job that comes has one free place look for it, not all of them', async (t) => {
  await using depot = await openDepot()
  let looks = 0
  await using _queue = await startQueue(depot, { concurrency: 10, ready: () => ++looks > 0 })
  // Each place looks once a second besides, all of them at the same moment.
  await until('all have just looked', () => looks === 20)
  await add(depot, 'a')
  await allEnded(depot, 500)
  // The one that found it, once more after it, and the next one that it sent.
  t.true(looks <= 24, `${looks - 20} looks`)
})
