import test from 'ava'
import { DatabaseError, type Options } from 'sequelize'
import type { Update } from 'telegraf/types'
import type { Database } from '../../app/core/database/database.ts'
import { Inbox } from '../../app/telegram/inbox.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { until } from '../helpers/until.ts'

const botId = 42

/** What a handler of these tests does with an update, besides writing its text down. */
type Deed = (text: string) => unknown

interface JobsFixture extends AsyncDisposable {
  depot: Depot
  inbox: Inbox
  /** What the handlers have left behind, in order. */
  written(): Promise<string[]>
  /** Write transactions until now, each of which waits for the disk. */
  transactions(): number
  allHandled(): Promise<unknown>
  run(): void
}

/** An inbox whose handler writes each text into a table. */
async function openJobs(deed: Deed = () => {}): Promise<JobsFixture> {
  const depot = await openDepot()
  const { database, log } = depot
  await database.query('CREATE TABLE written (id INTEGER PRIMARY KEY, text TEXT)')
  const handle = async (update: Update) => {
    const text = textOf(update)
    await database.query('INSERT INTO written (text) VALUES ($1)', text)
    deed(text)
  }
  const putAside = async (update: Update) => {
    await database.query('INSERT INTO written (text) VALUES ($1)', `put aside: ${textOf(update)}`)
  }
  const inbox = new Inbox({ botId, database, log, handle, putAside })
  let transactions = 0
  onStatement(database, (sql) => {
    // Outside of a transaction each statement is one.
    if (/^Executing \([^)]*\): COMMIT|^Executing \(default\): (UPDATE|INSERT|DELETE)/.test(sql))
      transactions++
  })
  const stop = new AbortController()
  let running: Promise<void> | undefined
  return {
    depot,
    inbox,
    async written() {
      const rows = await database.query<{ text: string }>('SELECT text FROM written ORDER BY id')
      return rows.map(({ text }) => text)
    },
    transactions: () => transactions,
    allHandled: () =>
      until(
        'all are handled',
        async () => (await database.query('SELECT 1 FROM updates WHERE handled_at IS NULL')).length === 0,
        20_000,
      ),
    run() {
      running ??= inbox.run(stop.signal)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
      await depot[Symbol.asyncDispose]()
    },
  }
}

/** Has Sequelize tell of each statement, the name of its connection before it. */
function onStatement({ sequelize }: Database, tell: (sql: string) => void): void {
  const { options } = sequelize as unknown as { options: Options }
  options.logging = tell
}

const textOf = (update: Update) => (update as { message: { text: string } }).message.text

function updatesOf(texts: string[], firstId = 1): Update[] {
  return texts.map((text, at) => {
    const chat = { id: 5, type: 'private' as const, first_name: 'Ann' }
    const message = { message_id: at + 1, date: 1, chat, text }
    return { update_id: firstId + at, message } as Update
  })
}

const texts = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`)

test('many new updates need few transactions, and are handled in their order', async (t) => {
  await using desk = await openJobs()
  await desk.inbox.store(updatesOf(texts(100)))
  const before = desk.transactions()
  desk.run()
  await desk.allHandled()
  t.deepEqual(await desk.written(), texts(100))
  // Two for every ten, and the look that finds nothing more.
  t.true(desk.transactions() - before <= 25, `${desk.transactions() - before} transactions`)
})

test('a handler that throws takes no neighbour with it: each other one is handled once, in order', async (t) => {
  await using desk = await openJobs((text) => {
    if (text === 'poison') throw new Error('no')
  })
  const good = texts(8)
  await desk.inbox.store(updatesOf(good.toSpliced(4, 0, 'poison')))
  desk.run()
  await desk.allHandled()
  t.deepEqual(await desk.written(), good.toSpliced(4, 0, 'put aside: poison'))
  const failed = desk.depot.lines.filter(({ msg }) => msg === 'update failed')
  t.deepEqual(
    failed.map(({ update_id, tries }) => [update_id, tries]),
    [
      [5, 1],
      [5, 2],
      [5, 3],
    ],
  )
  const tries = await desk.depot.database.query<{ tries: number }>(
    'SELECT tries FROM updates WHERE update_id <> 5',
  )
  t.deepEqual(new Set(tries.map(({ tries }) => tries)), new Set([1]))
})

test('after a poisoned batch the next updates share transactions again', async (t) => {
  await using desk = await openJobs((text) => {
    if (text === 'poison') throw new Error('no')
  })
  await desk.inbox.store(updatesOf(['before', 'poison', 'after']))
  desk.run()
  await desk.allHandled()
  const before = desk.transactions()
  await desk.inbox.store(updatesOf(texts(50), 100))
  await desk.allHandled()
  t.deepEqual(await desk.written(), ['before', 'put aside: poison', 'after', ...texts(50)])
  t.true(desk.transactions() - before <= 20, `${desk.transactions() - before} transactions`)
})

test('an update with a try, as a killed process leaves it, shares its transaction with no other', async (t) => {
  const handled: string[] = []
  await using desk = await openJobs((text) => handled.push(text))
  const { database } = desk.depot
  await desk.inbox.store(updatesOf(texts(6)))
  await database.query('UPDATE updates SET tries = 1 WHERE update_id IN (1, 2, 4)')
  const commits: string[][] = [[]]
  onStatement(database, (sql) => {
    if (/: COMMIT/.test(sql)) commits.push(handled.splice(0))
  })
  desk.run()
  await desk.allHandled()
  t.deepEqual(
    commits.filter(({ length }) => length > 0),
    [['text 0'], ['text 1'], ['text 2'], ['text 3'], ['text 4', 'text 5']],
  )
})

test('a full disk costs no update a try, and none is lost', async (t) => {
  let refusals = 0
  let isFull = true
  await using desk = await openJobs((text) => {
    if (!isFull || text !== 'text 2') return
    refusals++
    const cause = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL', sql: '' })
    throw new DatabaseError(cause)
  })
  await desk.inbox.store(updatesOf(texts(5)))
  desk.run()
  await until('it was refused more often than a try allows', () => refusals >= 5)
  isFull = false
  await desk.allHandled()
  t.deepEqual(await desk.written(), texts(5))
  const tries = await desk.depot.database.query<{ tries: number }>('SELECT tries FROM updates')
  t.deepEqual(new Set(tries.map(({ tries }) => tries)), new Set([1]))
})

test('an update that comes twice is handled once', async (t) => {
  await using desk = await openJobs()
  await desk.inbox.store(updatesOf(texts(3)))
  desk.run()
  await desk.allHandled()
  await desk.inbox.store(updatesOf([...texts(3), 'new']))
  await desk.allHandled()
  t.deepEqual(await desk.written(), [...texts(3), 'new'])
})
