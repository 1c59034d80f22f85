import test from 'ava'
import type { Verdict } from '../../app/jobs/index.ts'
import { type JobsFixture, openJobs } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

const retryable: Verdict = { errorType: 'NETWORK_ERROR', message: 'it broke', retryable: true }

/** Lets a job fail by `verdict` once, as the attempt of this number; returns its row and what its user was told. */
async function fail(desk: JobsFixture, verdict: Verdict, { attempt = 1, delays = [5, 30] } = {}) {
  const id = await desk.job()
  await desk.database.query('UPDATE jobs SET attempts = $2 WHERE id = $1', id, attempt - 1)
  const told: (number | undefined)[] = []
  const queue = desk.queue(
    {
      run: () => Promise.reject(new Error('broken')),
      classify: () => verdict,
      onFailure: async (_job, _error, retryIn) => void told.push(retryIn),
    },
    delays,
  )
  const before = Date.now()
  await queue.start()
  await until('it has failed', () => told.length > 0)
  await queue[Symbol.asyncDispose]()
  const [row] = await desk.database.query<{ status: string; due_at: number; error_type: string }>(
    'SELECT status, due_at, error_type FROM jobs WHERE id = $1',
    id,
  )
  const events = await desk.events(id)
  const retry = events.find(({ event_type }) => event_type === 'RETRY_SCHEDULED')?.data.retry_in_ms
  return {
    id,
    row,
    told: told[0],
    events: events.map(({ event_type }) => event_type),
    retry: retry as number | undefined,
    waits: Number(row?.due_at) - before,
  }
}

test('a failure that can pass is tried again after its delay, a fifth more or less', async (t) => {
  const delays = [5, 30, 120, 300, 900]
  for (const [at, delay] of delays.entries()) {
    await using desk = await openJobs()
    const { row, told, events, retry = 0, waits } = await fail(desk, retryable, { attempt: at + 1, delays })
    t.is(row?.status, 'QUEUED')
    t.is(row?.error_type, 'NETWORK_ERROR')
    t.true(retry >= delay * 800 && retry <= delay * 1200, `${retry} ms instead of ${delay} s`)
    t.is(told, retry)
    t.true(waits >= retry && waits < retry + 5000)
    t.true(events.includes('RETRY_SCHEDULED') && events.includes('TEST_FAILED'))
    t.false(events.includes('JOB_FAILED'))
  }
})

test('the delays of jobs that fail together are spread', async (t) => {
  const found = new Set<number | undefined>()
  for (let job = 0; job < 5; job++) {
    await using desk = await openJobs()
    found.add((await fail(desk, retryable, { delays: [1000] })).retry)
  }
  t.true(found.size > 1)
})

test('retry_after is obeyed to the millisecond, whatever the delays say', async (t) => {
  await using desk = await openJobs()
  const { retry, waits } = await fail(desk, { ...retryable, retryAfter: 7000 })
  t.is(retry, 7000)
  t.true(waits >= 7000)
})

test('after the last delay a job has failed: MAX_RETRIES_REACHED', async (t) => {
  await using desk = await openJobs()
  const { row, told, events } = await fail(desk, { ...retryable, retryAfter: 1000 }, { attempt: 3 })
  t.is(row?.status, 'FAILED')
  t.is(told, undefined)
  t.true(events.includes('MAX_RETRIES_REACHED') && events.includes('JOB_FAILED'))
  t.false(events.includes('RETRY_SCHEDULED') || events.includes('RETRY_SKIPPED'))
})

test('a failure that cannot pass is not tried again: RETRY_SKIPPED', async (t) => {
  await using desk = await openJobs()
  const { row, told, events } = await fail(desk, { ...retryable, retryable: false })
  t.is(row?.status, 'FAILED')
  t.is(told, undefined)
  t.true(events.includes('RETRY_SKIPPED') && events.includes('JOB_FAILED'))
  t.false(events.includes('MAX_RETRIES_REACHED'))
})

test('a failure that is not the job’s fault does not use up an attempt', async (t) => {
  await using desk = await openJobs()
  const verdict = { ...retryable, retryAfter: 15_000, countsAsAttempt: false }
  const { id, row, retry } = await fail(desk, verdict, { attempt: 3 })
  t.is(row?.status, 'QUEUED')
  t.is(retry, 15_000)
  t.is((await desk.jobs.find(id))?.attempts, 2)
})

test('a failure to tell the user undoes the move, and it is made again at once by the same worker', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  let words = 0
  const statuses: unknown[] = []
  await using queue = desk.queue({
    run: () => Promise.reject(new Error('broken')),
    classify: () => ({ ...retryable, retryable: false }),
    onFailure: async () => {
      words++
      if (words === 1) throw new Error('the database cannot be written to')
      statuses.push(...(await desk.events(id)).filter(({ event_type }) => event_type === 'JOB_FAILED'))
    },
  })
  await queue.start()
  await until('it has failed', async () => (await desk.statusOf(id)) === 'FAILED')
  t.is(words, 2)
  t.is(statuses.length, 1)
  t.true(desk.lines.some(({ msg }) => msg === 'the failure of a job cannot be recorded'))
})

test('a user who can never be told does not keep a job, or its lane, for ever', async (t) => {
  await using desk = await openJobs()
  const [first, second] = [await desk.job({ user: 1 }), await desk.job({ user: 2 })]
  await using queue = desk.queue({
    run: async ({ id }) => {
      if (id === first) throw new Error('broken')
      await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
    },
    classify: () => ({ ...retryable, retryable: false }),
    onFailure: () => Promise.reject(new Error('nobody listens')),
  })
  await queue.start()
  await until('the next one is done', async () => (await desk.statusOf(second)) === 'COMPLETED')
  t.is(await desk.statusOf(first), 'FAILED')
})
