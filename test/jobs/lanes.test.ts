import test from 'ava'
import { z } from 'zod'
import { UnreadablePayload } from '../../app/jobs/index.ts'
import { kindOf, openJobs, queueOf, typeOf } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

const untilStopped = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

test('ten jobs of a user that wait in another lane do not delay a file of the same user', async (t) => {
  await using desk = await openJobs()
  const { jobs } = desk
  const slow = kindOf(jobs, { name: 'slow', run: (_job, signal) => untilStopped(signal) })
  for (let job = 0; job < 10; job++) await desk.job({ kind: 'slow' })
  await using queue = queueOf(desk, jobs, [slow, kindOf(jobs)])
  await queue.start()
  await until('the other lane is at work', async () => (await desk.statusOf(1)) === 'RUNNING')
  const file = await desk.job()
  await until('the file is done', async () => (await desk.statusOf(file)) === 'COMPLETED', 500)
  t.like(await jobs.reservations.counts(['slow'], 1), { ofUser: 10 })
})

test('kinds that share a lane share its places, and their users take turns in it', async (t) => {
  await using desk = await openJobs()
  const { jobs } = desk
  const begun: string[] = []
  let most = 0
  let running = 0
  const one = kindOf(jobs, {
    name: 'one',
    run: async ({ id, kind, userId }) => {
      begun.push(`${kind} of ${userId}`)
      most = Math.max(most, ++running)
      await jobs.transition(id, 'RUNNING', 'COMPLETED')
      running--
    },
  })
  const two = { ...one, name: 'two' }
  for (let job = 0; job < 3; job++) await desk.job({ user: 1, kind: 'one' })
  for (let job = 0; job < 2; job++) await desk.job({ user: 1, kind: 'two' })
  for (const kind of ['two', 'one']) await desk.job({ user: 2, kind })
  await using queue = queueOf(desk, jobs, [one, two])
  await queue.start()
  await until('all are done', () => begun.length === 7)
  t.deepEqual(begun.slice(0, 4), ['one of 1', 'two of 2', 'one of 1', 'one of 2'])
  t.is(most, 1)
})

test('a lane whose jobs need no bot has them done, also where there is none', async (t) => {
  await using desk = await openJobs()
  const { jobs } = desk
  const free = await jobs.create(typeOf('free'), { key: 'a', userId: 1, chatId: 1, payload: {} })
  const bound = await desk.job({ kind: 'free' })
  const kind = kindOf(jobs, { name: 'free', isOfBot: false })
  await using queue = queueOf(desk, jobs, [kind], { hasBot: false })
  await queue.start()
  await until('it is done', async () => (await desk.statusOf(free ?? 0)) === 'COMPLETED')
  t.is(await desk.statusOf(bound), 'QUEUED')
  t.throws(() => queueOf(desk, jobs, [kindOf(jobs)], { hasBot: false }), { message: /needs a bot/ })
})

test('a job that needs no bot is not another bot’s', async (t) => {
  await using desk = await openJobs()
  const { jobs } = desk
  const free = await jobs.create(typeOf('free'), { key: 'a', userId: 1, chatId: 1, payload: {} })
  await queueOf(desk, jobs, [kindOf(jobs, { name: 'free', isOfBot: false })]).recover()
  t.is(await desk.statusOf(free ?? 0), 'QUEUED')
})

test('a queue neither begins nor ends nor puts back what it does not do', async (t) => {
  await using desk = await openJobs()
  const { jobs, database } = desk
  const waiting = await desk.job({ kind: 'unknown' })
  const running = await desk.job({ kind: 'unknown', user: 2 })
  await jobs.transition(running, 'QUEUED', 'RUNNING')
  await database.query(
    `UPDATE jobs SET worker = 'elsewhere:1:1', lease_until = 1, bot_id = 5 WHERE id = $1`,
    running,
  )
  await using queue = desk.queue({})
  await queue.start()
  const own = await desk.job()
  await until('its own is done', async () => (await desk.statusOf(own)) === 'COMPLETED')
  t.is(await queue.recover(), 0)
  t.deepEqual([await desk.statusOf(waiting), await desk.statusOf(running)], ['QUEUED', 'RUNNING'])
})

const address = z.object({ address: z.url() })

test('a job is not made of a payload that its kind does not declare', async (t) => {
  await using desk = await openJobs()
  const type = { name: 'test', payload: address, holds: () => ({}) }
  const payload = { address: 5 } as unknown as { address: string }
  const made = desk.jobs.create(type, { key: 'a', userId: 1, chatId: 1, payload })
  await t.throwsAsync(made, { instanceOf: UnreadablePayload, message: /address$/ })
  t.deepEqual(await desk.database.query('SELECT id FROM jobs'), [])
})

test('a row whose payload is not what the kind declares is not begun, and the kind says what becomes of it', async (t) => {
  await using desk = await openJobs()
  const read: unknown[] = []
  const [good, bad] = [await desk.job({ user: 1 }), await desk.job({ user: 2 })]
  const setPayload = 'UPDATE jobs SET payload = $2 WHERE id = $1'
  await desk.database.query(setPayload, good, '{"address":"https://a.example","more":1}')
  await desk.database.query(setPayload, bad, '{"address":"nowhere"}')
  const told: unknown[] = []
  await using queue = desk.queue({
    payload: address,
    run: async ({ id, payload }) => {
      read.push(payload)
      await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
    },
    classify: (_job, error) => ({
      errorType: error instanceof UnreadablePayload ? 'UNREADABLE' : 'OTHER',
      message: String(error),
      retryable: false,
    }),
    onFailure: async ({ id }, error) => void told.push([id, (error as Error).name]),
  })
  await queue.start()
  await until('both have ended', async () => (await desk.statusOf(bad)) === 'FAILED' && read.length === 1)
  t.deepEqual(read, [{ address: 'https://a.example' }])
  t.deepEqual(told, [[bad, 'UnreadablePayload']])
  const rows = await desk.database.query('SELECT error_type FROM jobs WHERE id = $1', bad)
  t.deepEqual(rows, [{ error_type: 'UNREADABLE' }])
})
