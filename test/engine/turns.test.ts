import test from 'ava'
import { aLease, type Desk, openDesk } from './desk.ts'

/** Works off `count` jobs and returns whose they were. */
async function serve(desk: Desk, count: number): Promise<number[]> {
  const users: number[] = []
  for (let served = 0; served < count; served++) {
    const job = await desk.jobs.claim('test', 1, aLease())
    if (!job) break
    users.push(job.userId)
    await desk.jobs.transition(job.id, 'RUNNING', 'COMPLETED')
  }
  return users
}

test('the one job of another user waits for one turn at most, however many someone else has queued', async (t) => {
  await using desk = await openDesk()
  for (let job = 0; job < 200; job++) await desk.job({ user: 1 })
  t.deepEqual(await serve(desk, 50), Array(50).fill(1))
  await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 3), [1, 2, 1])
})

test('a job that arrives while one of a long row is running is next after it', async (t) => {
  await using desk = await openDesk()
  for (let job = 0; job < 20; job++) await desk.job({ user: 1 })
  const running = await desk.jobs.claim('test', 1, aLease())
  await desk.job({ user: 2 })
  await desk.jobs.transition(running?.id ?? 0, 'RUNNING', 'COMPLETED')
  t.deepEqual(await serve(desk, 2), [2, 1])
})

test('users with many jobs take turns', async (t) => {
  await using desk = await openDesk()
  for (const user of [1, 2, 3]) for (let job = 0; job < 4; job++) await desk.job({ user })
  t.deepEqual(await serve(desk, 12), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
})

test('jobs of one user are done in the order in which they came', async (t) => {
  await using desk = await openDesk()
  const ids = [await desk.job(), await desk.job(), await desk.job()]
  for (const id of ids) {
    t.is((await desk.jobs.claim('test', 1, aLease()))?.id, id)
    await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
  }
})

test('a job that waits for its next try holds back nobody, and keeps its turn', async (t) => {
  await using desk = await openDesk()
  const first = await desk.job({ user: 1 })
  await desk.jobs.claim('test', 1, aLease())
  await desk.jobs.transition(first, 'RUNNING', 'QUEUED', { dueAt: Date.now() + 60_000 })
  for (let job = 0; job < 5; job++) await desk.job({ user: 2 })
  t.deepEqual(await serve(desk, 2), [2, 2])
  await desk.jobs.hurry(first, { unless: 'RATE_LIMIT' })
  t.deepEqual(await serve(desk, 2), [1, 2])
})
