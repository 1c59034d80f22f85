import test, { type ExecutionContext } from 'ava'
import { monotonicNow } from '../../app/core/monotonic-time.ts'
import type { RateLimit } from '../../app/jobs/index.ts'
import { aLease, openJobs } from '../helpers/open-jobs.ts'

const minute = 60_000

const perMinute = (userId: number, most: number): RateLimit => ({ of: { userId }, span: minute, most })
const perHour = (chatId: number, most: number): RateLimit => ({ of: { chatId }, span: 60 * minute, most })

/** Steady time stands still: however long a test takes, all of it is asked for at once. */
function stopClock(t: ExecutionContext) {
  const { now } = performance
  const stopped = now.call(performance)
  performance.now = () => stopped
  t.teardown(() => {
    performance.now = now
  })
  const start = monotonicNow()
  /** Seconds from now. */
  return (moment: number) => (moment - start) / 1000
}

test.serial(
  '50 files at once under a limit of 10 a minute begin ten now, ten in a minute, and so on',
  async (t) => {
    await using desk = await openJobs()
    const due: number[] = []
    const ahead = stopClock(t)
    for (let file = 0; file < 50; file++) {
      const dueAt = await desk.jobs.slots.next(['test'], [perMinute(1, 10)])
      await desk.job({ dueAt })
      due.push(ahead(dueAt))
    }
    t.deepEqual(
      due,
      Array.from({ length: 50 }, (_, file) => Math.floor(file / 10) * 60),
    )
  },
)

test.serial(
  'of several limits the strictest decides, and other users and chats are not held back',
  async (t) => {
    await using desk = await openJobs()
    const limits = [perMinute(1, 2), perHour(-5, 3)]
    const due: number[] = []
    const ahead = stopClock(t)
    for (let file = 0; file < 5; file++) {
      const dueAt = await desk.jobs.slots.next(['test'], limits)
      await desk.job({ user: 1, chat: -5, dueAt })
      due.push(ahead(dueAt))
    }
    t.deepEqual(due, [0, 0, 60, 3600, 3600])
    t.is(ahead(await desk.jobs.slots.next(['test'], [perMinute(2, 2), perHour(-6, 3)])), 0)
    // What waits an hour for a full chat leaves room for this user's files in others.
    t.is(ahead(await desk.jobs.slots.next(['test'], [perMinute(1, 2), perHour(-6, 3)])), 60)
  },
)

test.serial('no span holds more than its limit, in whatever order slots are taken', async (t) => {
  await using desk = await openJobs()
  const limit = perMinute(1, 3)
  for (const seconds of [30, 30, 100, 100, 100, 30])
    await desk.job({ dueAt: monotonicNow() + seconds * 1000 })
  for (let file = 0; file < 20; file++)
    await desk.job({ dueAt: await desk.jobs.slots.next(['test'], [limit]) })
  const rows = await desk.database.query<{ slot_at: number }>('SELECT slot_at FROM jobs ORDER BY slot_at')
  const slots = rows.map(({ slot_at }) => slot_at)
  const ahead = stopClock(t)
  for (const from of slots) {
    const within = slots.filter((slot) => slot >= from && slot < from + minute).length
    t.true(within <= 3, `${within} in the minute after ${ahead(from)} s`)
  }
})

test.serial('a job that waits for its turn holds back nobody, and is not hurried past it', async (t) => {
  await using desk = await openJobs()
  const later = await desk.job({ user: 1, dueAt: monotonicNow() + minute })
  const now = await desk.job({ user: 1 })
  await desk.jobs.hurry(later, { unless: 'RATE_LIMIT' })
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.id, now)
  t.is(await desk.jobs.claims.next(['test'], 1, aLease()), undefined)
})

test.serial('a job whose turn has come is claimed', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job({ dueAt: monotonicNow() - 1 })
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.id, id)
})
