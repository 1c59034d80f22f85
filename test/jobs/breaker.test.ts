import test from 'ava'
import { Breaker, type JobKind, type Verdict } from '../../app/jobs/index.ts'
import { type JobsFixture, kindOf, openJobs, queueOf } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

/** Something that jobs need, whose probe does as a test says. */
function newBreaker(desk: JobsFixture) {
  let fault: Error | undefined
  const told: string[] = []
  const breaker = new Breaker({
    name: 'test',
    log: desk.log,
    probe: async () => {
      if (fault) throw fault
    },
    tell: async ({ isOver, reason }) => void told.push(`${isOver ? 'over' : 'begun'} ${reason}`),
  })
  return {
    breaker,
    told,
    breaks: (error?: Error) => {
      fault = error
    },
    [Symbol.dispose]: () => breaker[Symbol.dispose](),
  }
}

const failing = (verdict: Partial<Verdict>, breaker: Breaker): JobKind['classify'] => {
  return (_job, error) => ({
    errorType: 'TEST',
    message: String(error),
    retryable: true,
    suspect: breaker,
    ...verdict,
  })
}

const readOnly = Object.assign(new Error('read-only'), { code: 'EROFS' })

const rowOf = async (desk: JobsFixture, id: number) =>
  (
    await desk.database.query<{ status: string; attempts: number; deferrals: number; due_at: number }>(
      'SELECT status, attempts, deferrals, due_at FROM jobs WHERE id = $1',
      id,
    )
  )[0]

test('while the probe fails nothing is counted and nothing is begun; then all goes on, and the owner hears it once', async (t) => {
  t.timeout(60_000)
  await using desk = await openJobs()
  using test = newBreaker(desk)
  const { breaker, told, breaks } = test
  breaks(readOnly)
  const ids = await Promise.all([1, 2, 3].map((user) => desk.job({ user })))
  let begun = 0
  await using queue = desk.queue({
    breakers: [breaker],
    classify: failing({}, breaker),
    run: async ({ id }) => {
      begun++
      if (begun < 2) throw readOnly
      await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
    },
  })
  await queue.start()
  await until(
    'the first has failed',
    async () => begun === 1 && (await desk.statusOf(ids[0] ?? 0)) === 'QUEUED',
  )
  t.like(await rowOf(desk, ids[0] ?? 0), { attempts: 0, deferrals: 0 })
  const moment = performance.now()
  await until('a while has passed', () => performance.now() - moment > 2500)
  t.is(begun, 1)
  breaks()
  await until(
    'all are done',
    async () =>
      (await Promise.all(ids.map((id) => desk.statusOf(id)))).every((status) => status === 'COMPLETED'),
    40_000,
  )
  for (const id of ids) t.like(await rowOf(desk, id), { attempts: 1 })
  await until('the owner hears of the end', () => told.length === 2, 15_000)
  t.deepEqual(told, ['begun EROFS', 'over EROFS'])
})

test('a job that fails each time while others get through has failed once its tries are used up', async (t) => {
  t.timeout(60_000)
  await using desk = await openJobs()
  using test = newBreaker(desk)
  const poison = await desk.job({ user: 1 })
  await using queue = desk.queue(
    {
      breakers: [test.breaker],
      classify: failing({ isDeferral: true }, test.breaker),
      run: async ({ id }) => {
        if (id === poison) throw new TypeError('a fault of the program')
        await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
      },
    },
    [0.1, 0.1],
  )
  await queue.start()
  let others = 0
  await until('it has failed', async () => {
    const status = await desk.statusOf(poison)
    if (others < 3) await desk.job({ user: 10 + others++ })
    return status === 'FAILED'
  })
  t.like(await rowOf(desk, poison), { deferrals: 3, attempts: 0 })
  await until('all others are done', async () => {
    const left = await desk.database.query(
      `SELECT 1 FROM jobs WHERE status <> 'COMPLETED' AND id <> $1`,
      poison,
    )
    return left.length === 0
  })
})

test('a fault that nobody knows fails no job as long as nobody else gets through, and is tried ever more rarely', async (t) => {
  await using desk = await openJobs()
  using test = newBreaker(desk)
  const id = await desk.job()
  await desk.database.query('UPDATE jobs SET deferrals = 5')
  await using queue = desk.queue(
    {
      breakers: [test.breaker],
      classify: failing({ isDeferral: true }, test.breaker),
      run: () => Promise.reject(new Error('odd')),
    },
    [1, 1],
  )
  await queue.start()
  const row = await until('it was put off', async () => {
    const found = await rowOf(desk, id)
    return found?.deferrals === 6 ? found : undefined
  })
  t.like(row, { status: 'QUEUED', attempts: 0 })
  t.true(row.due_at > Date.now() + 2_500_000, 'in about an hour')
})

test('even so it ends: after 100 tries it has failed', async (t) => {
  await using desk = await openJobs()
  using test = newBreaker(desk)
  const id = await desk.job()
  await desk.database.query('UPDATE jobs SET deferrals = 99')
  await using queue = desk.queue({
    breakers: [test.breaker],
    classify: failing({ isDeferral: true }, test.breaker),
    run: () => Promise.reject(new Error('odd')),
  })
  await queue.start()
  await until('it has failed', async () => (await desk.statusOf(id)) === 'FAILED')
  t.pass()
})

test('what fails for several in a row counts for nobody’s end, and they are tried more slowly', async (t) => {
  t.timeout(60_000)
  await using desk = await openJobs()
  using test = newBreaker(desk)
  const ids = await Promise.all([1, 2].map((user) => desk.job({ user })))
  const at: number[] = []
  let isWell = false
  await using queue = desk.queue(
    {
      breakers: [test.breaker],
      classify: failing({}, test.breaker),
      run: async ({ id }) => {
        at.push(performance.now())
        if (!isWell) throw new Error('unavailable')
        await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
      },
    },
    [0.01],
  )
  await queue.start()
  await until('both have used up their tries', async () => {
    const rows = await Promise.all(ids.map((id) => rowOf(desk, id)))
    return rows.every((row) => Number(row?.attempts) >= 2)
  })
  // A second, counted in whole milliseconds at both its ends.
  const gaps = at.slice(1).map((moment, i) => Math.round(moment - Number(at[i])))
  t.true(
    gaps.slice(1).some((gap) => gap >= 998),
    gaps.join(', '),
  )
  isWell = true
  await until('both are done', async () => {
    await desk.database.query('UPDATE jobs SET due_at = 0')
    const statuses = await Promise.all(ids.map((id) => desk.statusOf(id)))
    return statuses.every((status) => status === 'COMPLETED')
  })
  t.pass()
})

test('a flood wait holds the lane for exactly so long, and counts for nobody', async (t) => {
  await using desk = await openJobs()
  using test = newBreaker(desk)
  for (const user of [1, 2]) await desk.job({ user })
  const at: number[] = []
  await using queue = desk.queue({
    breakers: [test.breaker],
    classify: failing({ countsAsAttempt: false, retryAfter: 1500 }, test.breaker),
    run: async ({ id }) => {
      at.push(performance.now())
      if (at.length === 1) throw new Error('429')
      await desk.jobs.transition(id, 'RUNNING', 'COMPLETED')
    },
  })
  await queue.start()
  await until('both are done', async () => at.length === 3)
  const [first = 0, second = 0] = at
  t.true(second - first >= 1500 && second - first < 2400, `${second - first} ms`)
  t.deepEqual(await desk.database.query('SELECT attempts FROM jobs'), [{ attempts: 1 }, { attempts: 1 }])
})

test('a failure that cannot be recorded while the database is locked is recorded when it is not', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  const { transaction } = desk.database
  let locked = 0
  // As the database says it while another program writes.
  const busy = Object.assign(new Error('SQLITE_BUSY: database is locked'), { code: 'SQLITE_BUSY' })
  const { DatabaseError } = await import('sequelize')
  const kind = kindOf(desk.jobs, {
    run: async () => {
      locked = 3
      throw new Error('broken')
    },
    classify: () => ({ errorType: 'TEST', message: 'broken', retryable: false }),
  })
  const records = {
    log: desk.log,
    database: {
      ...desk.database,
      transaction: async <T>(work: () => Promise<T>) => {
        if (locked-- > 0) throw new DatabaseError(Object.assign(busy, { sql: '' }))
        return await transaction(work)
      },
    },
  }
  await using queue = queueOf(records, desk.jobs, [kind])
  await queue.start()
  await until('it has failed', async () => (await desk.statusOf(id)) === 'FAILED')
  t.true(locked <= 0)
})

test('a probe that is told to wait is not made again before its time', async (t) => {
  t.timeout(30_000)
  await using desk = await openJobs()
  const at: number[] = []
  using breaker = new Breaker({
    name: 'test',
    log: desk.log,
    probe: async () => {
      at.push(performance.now())
      if (at.length === 1) throw Object.assign(new Error('429'), { retryAfter: 3 })
    },
  })
  t.is(await breaker.blame(1, new Error('it failed'), 0), 'outage')
  t.false(breaker.isClosed)
  await until('it is closed again', () => breaker.isClosed)
  const [first = 0, second = 0] = at
  // A timer knows whole milliseconds only.
  t.true(Math.ceil(second - first) >= 3000, `${second - first} ms`)
})
