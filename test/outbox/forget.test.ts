import test from 'ava'
import { Outbox } from '../../app/outbox/outbox.ts'
import { onPostgres } from '../helpers/database-in.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'

const ofSqlite = onPostgres ? test.skip : test

interface JobsFixture extends AsyncDisposable {
  depot: Depot
  outbox: Outbox
  /** Writes a message and sets what became of it. Returns its id. */
  write(row: { createdAt: number; sent?: boolean; failure?: string }): Promise<number>
  ids(): Promise<number[]>
}

/** Outbox that nobody sends. */
async function openJobs(): Promise<JobsFixture> {
  const depot = await openDepot()
  const { database, log } = depot
  const outbox = new Outbox(database, log, 42)
  return {
    depot,
    outbox,
    async write({ createdAt, sent = false, failure }) {
      const id = await outbox.post({ chatId: 5, text: 'hello' })
      await database.query(
        'UPDATE messages SET created_at = $2, sent_revision = $3, failure = $4 WHERE id = $1',
        id,
        createdAt,
        Number(sent),
        failure,
      )
      return id
    },
    async ids() {
      const rows = await database.query<{ id: number }>('SELECT id FROM messages ORDER BY id')
      return rows.map(({ id }) => id)
    },
    async [Symbol.asyncDispose]() {
      await depot[Symbol.asyncDispose]()
    },
  }
}

test('old messages are forgotten when they are delivered or have failed, and no other ones', async (t) => {
  await using desk = await openJobs()
  await desk.write({ createdAt: 100, sent: true })
  const waiting = await desk.write({ createdAt: 100 })
  await desk.write({ createdAt: 100, failure: 'Forbidden: bot was blocked by the user' })
  const young = await desk.write({ createdAt: 1000, sent: true })
  const revised = await desk.write({ createdAt: 100, sent: true })
  await desk.outbox.revise(revised, { text: 'the link' })
  const newest = await desk.write({ createdAt: 1001, sent: true })
  t.is(await desk.outbox.forget(1000, 10), 2)
  t.deepEqual(await desk.ids(), [waiting, young, revised, newest])
  t.is(await desk.outbox.forget(1000, 10), 0)
})

test('one call forgets no more than it may, the oldest first', async (t) => {
  await using desk = await openJobs()
  const ids = []
  for (const createdAt of [300, 100, 200, 400, 500]) ids.push(await desk.write({ createdAt, sent: true }))
  t.is(await desk.outbox.forget(1000, 2), 2)
  t.deepEqual(await desk.ids(), [ids[0], ids[3], ids[4]])
  t.is(await desk.outbox.forget(1000, 10), 2)
})

test('a new message never gets the id of a forgotten one', async (t) => {
  await using desk = await openJobs()
  const ids = []
  for (let row = 0; row < 3; row++) ids.push(await desk.write({ createdAt: 100, sent: true }))
  await desk.outbox.forget(1000, 10)
  const next = await desk.write({ createdAt: 2000 })
  t.true(next > Math.max(...ids), `${next} after ${ids}`)
})

test('a change of a forgotten message is logged, and nothing else', async (t) => {
  await using desk = await openJobs()
  const id = await desk.write({ createdAt: 100, sent: true })
  const newest = await desk.write({ createdAt: 2000, sent: true })
  await desk.outbox.forget(1000, 10)
  await desk.outbox.revise(id, { text: 'the link', topic: 'job:7' })
  t.deepEqual(await desk.ids(), [newest])
  t.like(
    desk.depot.lines.find(({ level }) => Number(level) >= 40),
    { outgoing: id, topic: 'job:7' },
  )
})

ofSqlite('what is to be forgotten is found by an index', async (t) => {
  await using desk = await openJobs()
  const plan = await desk.depot.database.query<{ detail: string }>(
    `EXPLAIN QUERY PLAN SELECT id FROM messages WHERE created_at < 5
       AND (sent_revision >= revision OR failure IS NOT NULL) AND id < (SELECT MAX(id) FROM messages)
     ORDER BY created_at LIMIT 10`,
  )
  const steps = plan.map(({ detail }) => detail)
  t.true(
    steps.some((step) => step.includes('messages_created')),
    steps.join(),
  )
  t.false(
    steps.some((step) => /B-TREE|^SCAN messages/.test(step)),
    steps.join(),
  )
})
