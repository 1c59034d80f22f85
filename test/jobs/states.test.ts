import test from 'ava'
import { type Status, statuses } from '../../app/jobs/states.ts'
import { type JobsFixture, openJobs } from '../helpers/open-jobs.ts'

const allowed = [
  'PENDING → QUEUED',
  'PENDING → FAILED',
  'QUEUED → RUNNING',
  'QUEUED → FAILED',
  'RUNNING → COMPLETED',
  'RUNNING → FAILED',
  'RUNNING → QUEUED',
]
const moves = statuses.flatMap((from) => statuses.map((to) => ({ from, to, name: `${from} → ${to}` })))

async function jobIn(desk: JobsFixture, status: Status): Promise<number> {
  const id = await desk.job()
  await desk.database.query('UPDATE jobs SET status = $2 WHERE id = $1', id, status)
  return id
}

for (const { from, to, name } of moves.filter((move) => allowed.includes(move.name))) {
  test(`${name} is made, as a row and as a line of the log`, async (t) => {
    await using desk = await openJobs()
    const id = await jobIn(desk, from)
    desk.lines.length = 0
    t.true(await desk.jobs.transition(id, from, to, { reason: 'because' }))
    t.is(await desk.statusOf(id), to)
    const last = (await desk.events(id)).at(-1)
    t.deepEqual(last, { event_type: 'STATUS_CHANGED', data: { from, to, reason: 'because' } })
    t.like(desk.lines[0], { event: 'STATUS_CHANGED', job_id: id, user_id: 1, chat_id: 1, from, to })
  })
}

for (const { from, to, name } of moves.filter((move) => !allowed.includes(move.name))) {
  test(`${name} is refused and logged, and changes nothing`, async (t) => {
    await using desk = await openJobs()
    const id = await jobIn(desk, from)
    const events = (await desk.events(id)).length
    t.false(await desk.jobs.transition(id, from, to))
    t.is(await desk.statusOf(id), from)
    t.is((await desk.events(id)).length, events)
    t.true(desk.lines.some((line) => line.level === 50 && line.from === from && line.to === to))
  })
}

test('an allowed move of a job that is in another status is refused and logged', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  t.false(await desk.jobs.transition(id, 'RUNNING', 'COMPLETED'))
  t.is(await desk.statusOf(id), 'QUEUED')
  t.true(desk.lines.some((line) => line.level === 50 && line.job_id === id))
})

for (const to of ['COMPLETED', 'FAILED', 'QUEUED'] as const) {
  test(`a move to ${to} by a worker whose job it is not any more is refused`, async (t) => {
    await using desk = await openJobs()
    const id = await desk.job()
    await desk.jobs.claims.next(['test'], 1, { worker: 'new', until: Date.now() + 1000 })
    t.false(await desk.jobs.transition(id, 'RUNNING', to, {}, 'old'))
    t.is(await desk.statusOf(id), 'RUNNING')
    t.true(await desk.jobs.transition(id, 'RUNNING', to, {}, 'new'))
  })
}

test('a job with a known key is not made again, whatever became of the first one', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job({ key: 'once' })
  await t.throwsAsync(desk.job({ key: 'once' }), { message: /known/ })
  await desk.jobs.transition(id, 'QUEUED', 'FAILED')
  await t.throwsAsync(desk.job({ key: 'once' }), { message: /known/ })
  t.is((await desk.database.query('SELECT id FROM jobs')).length, 1)
})

test('no statement outside the transition writes a status', async (t) => {
  const { readFile, readdir } = await import('node:fs/promises')
  const root = new URL('../../app/', import.meta.url)
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const writes = []
  for (const name of names) {
    const text = await readFile(new URL(name, root), 'utf8')
    for (const found of text.matchAll(/UPDATE jobs SET[^`]*?\bstatus = \$/g)) writes.push([name, found.index])
  }
  t.is(writes.length, 1)
  t.is(writes[0]?.[0], 'jobs/jobs.ts')
})
