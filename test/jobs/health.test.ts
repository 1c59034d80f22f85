import test, { type ExecutionContext } from 'ava'
import { monotonicNow } from '../../app/core/monotonic-time.ts'
import { openJobs } from '../helpers/open-jobs.ts'
import { until } from '../helpers/until.ts'

const minute = 60_000

/** Lets time go by at a word. Returns how: by so many milliseconds. */
function holdTime(t: ExecutionContext): (ms: number) => void {
  const { now } = performance
  let passed = 0
  performance.now = () => now.call(performance) + passed
  t.teardown(() => {
    performance.now = now
  })
  return (ms) => {
    passed += ms
  }
}

test.serial(
  'the queue says how much waits and how long, and is not well when nothing moves for some minutes',
  async (t) => {
    const pass = holdTime(t)
    await using desk = await openJobs()
    const queue = desk.queue({})
    t.deepEqual(await queue.health(), { ok: true, detail: 'nothing waits' })

    await desk.job({ dueAt: monotonicNow() + 600 * minute })
    t.deepEqual(
      await queue.health(),
      { ok: true, detail: 'nothing waits' },
      'what waits for its time is not late',
    )
    await desk.job({ user: 2 })
    await desk.job({ user: 3 })
    t.deepEqual(await queue.health(), { ok: true, detail: '2 waiting, the oldest for less than a minute' })
    pass(4 * minute)
    t.deepEqual(await queue.health(), { ok: true, detail: '2 waiting, the oldest for 4 min' })
    pass(2 * minute)
    t.deepEqual(await queue.health(), { ok: false, detail: '2 waiting, the oldest for 6 min; nothing moves' })
  },
)

test.serial('a long row is no fault while the file before it comes', async (t) => {
  const pass = holdTime(t)
  await using desk = await openJobs()
  const first = await desk.job({ user: 1 })
  await desk.job({ user: 2 })
  let grown = 1
  await using queue = desk.queue({
    run: (_job, signal) =>
      until('the stop', () => signal.aborted).then(() => {
        throw new Error('stopped')
      }),
  })
  await queue.start()
  await until('it runs', async () => (await desk.statusOf(first)) === 'RUNNING')
  for (let minutes = 0; minutes < 20; minutes += 4) {
    pass(4 * minute)
    desk.jobs.reservations.progressed({ id: first, size: 100 }, grown++)
    t.like(await queue.health(), { ok: true })
  }
  pass(6 * minute)
  desk.jobs.reservations.progressed({ id: first, size: 100 }, grown - 1)
  t.like(await queue.health(), { ok: false })
  desk.jobs.reservations.grew(first)
  t.like(await queue.health(), { ok: true }, 'something of it came, nobody knows how much')
})
