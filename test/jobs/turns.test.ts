import test from 'ava'
import { aLease, type JobsFixture, openJobs } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

/** Works off `count` jobs and returns whose they were. */
async function serve(desk: JobsFixture, count: number): Promise<number[]> {
  const users: number[] = []
  for (let served = 0; served < count; served++) {
    const job = await desk.jobs.claims.next(['test'], 1, aLease())
    if (!job) break
    users.push(job.userId)
    await desk.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
  }
  return users
}

test('the one job of another user waits for one turn at most, however many someone else has queued', async (t) => {
  await using desk = await openJobs()
  for (let job = 0; job < 200; job++) await desk.job({ user: 1 })
  t.deepEqual(await serve(desk, 50), Array(50).fill(1))
  await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 3), [1, 2, 1])
})

test('a job that arrives while one of a long row is running is next after it', async (t) => {
  await using desk = await openJobs()
  for (let job = 0; job < 20; job++) await desk.job({ user: 1 })
  const running = await desk.jobs.claims.next(['test'], 1, aLease())
  await desk.job({ user: 2 })
  await desk.jobs.transition(running?.id ?? 0, 'RUNNING', 'COMPLETED')
  t.deepEqual(await serve(desk, 2), [2, 1])
})

test('users with many jobs take turns', async (t) => {
  await using desk = await openJobs()
  for (const user of [1, 2, 3]) for (let job = 0; job < 4; job++) await desk.job({ user })
  t.deepEqual(await serve(desk, 12), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
})

test('jobs of one user are done in the order in which they came', async (t) => {
  await using desk = await openJobs()
  const ids = [await desk.job(), await desk.job(), await desk.job()]
  for (const id of ids) {
    t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.id, id)
    await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
  }
})

test('a job that waits for its next try holds back nobody, and keeps its turn', async (t) => {
  await using desk = await openJobs()
  const first = await desk.job({ user: 1 })
  await desk.jobs.claims.next(['test'], 1, aLease())
  await desk.jobs.transition(first, 'RUNNING', 'QUEUED', { dueAt: Date.now() + 60_000 })
  for (let job = 0; job < 5; job++) await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 2), [2, 2])
  await desk.jobs.hurry(first, { unless: 'RATE_LIMIT' })
  t.deepEqual(await serve(desk, 2), [1, 2])
})

test('while an old job waits for its retry, the files of a newcomer do not precede an earlier user’s next one', async (t) => {
  await using desk = await openJobs()
  // Served long ago, and put off since.
  const old = await desk.job({ user: 1 })
  await desk.jobs.claims.next(['test'], 1, aLease())
  await desk.jobs.transition(old, 'RUNNING', 'QUEUED', { dueAt: Date.now() + 600_000 })
  for (let job = 0; job < 30; job++) await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 10), Array(10).fill(2))
  for (let job = 0; job < 20; job++) await desk.job({ user: 3 })
  t.deepEqual(await serve(desk, 6), [2, 3, 2, 3, 2, 3])
  // When its time has come, it is served next, and drags nobody back.
  await desk.jobs.hurry(old, { unless: 'RATE_LIMIT' })
  for (let job = 0; job < 20; job++) await desk.job({ user: 4 })
  t.deepEqual(await serve(desk, 7), [1, 2, 3, 4, 2, 3, 4])
})

test('a user whose files wait for their rate neither holds back others nor overtakes them when the time comes', async (t) => {
  await using desk = await openJobs()
  const soon = Date.now() + 600_000
  for (let job = 0; job < 5; job++) await desk.job({ user: 1, dueAt: soon })
  for (let job = 0; job < 5; job++) await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 2), [2, 2])
  // A job's time is in whole milliseconds, a turn's is not.
  const served = Date.now()
  await until('the next millisecond', () => Date.now() > served)
  await desk.database.query(`UPDATE jobs SET due_at = $1, slot_at = $1 WHERE user_id = 1`, Date.now())
  for (let job = 0; job < 3; job++) await desk.job({ user: 3 })
  t.deepEqual(await serve(desk, 6), [2, 1, 3, 2, 1, 3])
})

test('large files of one user do not delay the turn of others among the small ones', async (t) => {
  await using desk = await openJobs()
  for (let job = 0; job < 10; job++) await desk.job({ user: 1, kind: 'large' })
  for (const user of [1, 2]) for (let job = 0; job < 2; job++) await desk.job({ user })
  t.deepEqual(await serve(desk, 4), [1, 2, 1, 2])
})
