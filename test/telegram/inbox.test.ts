import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { DatabaseError, type Options } from 'sequelize'
import type { Update } from 'telegraf/types'
import type { Database } from '../../app/core/database/database.ts'
import type { Plan } from '../../app/telegram/attempts.ts'
import { Inbox } from '../../app/telegram/inbox.ts'
import { UpdateRows } from '../../app/telegram/update-rows.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { planOf, recordStatements } from '../helpers/record-statements.ts'
import { seeded, seedOfRun } from '../helpers/seeded-random.ts'
import { until } from '../helpers/until.ts'

const botId = 42

/** What a handler of these tests does with an update, besides writing its text down. */
type Deed = (text: string) => unknown

/** What a handler waits for before it writes, if it waits. */
type Preparation = (text: string, signal: AbortSignal) => Promise<unknown> | undefined

interface JobsFixture extends AsyncDisposable {
  depot: Depot
  inbox: Inbox
  /** What the handlers have left behind, in order. */
  written(): Promise<string[]>
  /** Write transactions until now, each of which waits for the disk. */
  transactions(): number
  allHandled(): Promise<unknown>
  run(): void
  /** Resolves when what runs has ended. */
  stop(): Promise<void>
}

/** An inbox whose handler writes each text into a table. */
async function openJobs(
  deed: Deed = () => {},
  preparation: Preparation = () => undefined,
): Promise<JobsFixture> {
  const depot = await openDepot()
  const { database, log } = depot
  await database.query('CREATE TABLE written (id INTEGER PRIMARY KEY, text TEXT)')
  const handle = async (update: Update) => {
    const text = textOf(update)
    await database.query('INSERT INTO written (text) VALUES ($1)', text)
    await deed(text)
  }
  const putAside = async (update: Update) => {
    await database.query('INSERT INTO written (text) VALUES ($1)', `put aside: ${textOf(update)}`)
  }
  const plan = (update: Update): Plan => {
    const write = () => handle(update)
    if (!textOf(update).startsWith('slow')) return { write }
    const prepare = async (signal: AbortSignal) => {
      await preparation(textOf(update), signal)
      return write
    }
    return { prepare }
  }
  const inbox = new Inbox({ botId, database, log, plan, putAside })
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
    async stop() {
      stop.abort()
      await running
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

function updatesOf(texts: string[], firstId = 1, chatOf = (_at: number) => 5): Update[] {
  return texts.map((text, at) => {
    const chat = { id: chatOf(at), type: 'private' as const, first_name: 'Ann' }
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

test('an update that takes time delays its own chat alone: other chats and other writes go on', async (t) => {
  const { promise: end, resolve } = Promise.withResolvers<void>()
  await using desk = await openJobs(undefined, () => end)
  const { database } = desk.depot
  await desk.inbox.store(updatesOf(['slow', 'after it']))
  desk.run()
  await desk.inbox.store(updatesOf(texts(30), 100, (at) => 10 + (at % 4)))
  await until('the others are handled', async () => (await desk.written()).length === 30)
  await database.transaction(async () => void (await database.query('SELECT 1')))
  t.deepEqual(await desk.written(), texts(30))
  resolve()
  await desk.allHandled()
  t.deepEqual(await desk.written(), [...texts(30), 'slow', 'after it'])
  const tries = await database.query<{ tries: number }>('SELECT tries FROM updates')
  t.deepEqual(new Set(tries.map(({ tries }) => tries)), new Set([1]))
})

test.serial('beside updates that take a second, nobody waits for a tenth of it', async (t) => {
  await using desk = await openJobs(undefined, (_text, signal) => delay(1000, undefined, { signal }))
  const { database } = desk.depot
  await desk.inbox.store(updatesOf(['slow 1', 'slow 2']))
  desk.run()
  const waits: number[] = []
  for (let id = 100; !(await desk.written()).includes('slow 2'); id++) {
    const began = performance.now()
    await desk.inbox.store(updatesOf([`text ${id}`], id, () => id))
    const handled = 'SELECT 1 FROM updates WHERE update_id = $1 AND handled_at IS NOT NULL'
    await until('it is handled', async () => (await database.query(handled, id)).length > 0)
    waits.push(performance.now() - began)
  }
  const [median = 1000] = waits.sort((one, other) => one - other).slice(waits.length / 2)
  t.log(`${waits.length} others; median ${median.toFixed(0)} ms, longest ${waits.at(-1)?.toFixed(0)} ms`)
  t.true(median < 100, `${median} ms`)
})

test('handlers that hold their transaction for long share none: other writes come in between', async (t) => {
  await using desk = await openJobs(() => delay(200))
  const { database } = desk.depot
  await desk.inbox.store(updatesOf(texts(10), 1, (at) => at))
  desk.run()
  await until(
    'they are in hand',
    async () => (await database.query('SELECT 1 FROM updates WHERE tries = 1')).length > 0,
  )
  await database.transaction(
    async () => void (await database.query('DELETE FROM updates WHERE update_id = 0')),
  )
  const handled = await database.query('SELECT 1 FROM updates WHERE handled_at IS NOT NULL')
  t.true(handled.length < 10, `${handled.length} were handled first`)
  await desk.allHandled()
  t.deepEqual(await desk.written(), texts(10))
})

test('an update that fails delays its own chat alone', async (t) => {
  await using desk = await openJobs((text) => {
    if (text === 'poison') throw new Error('no')
  })
  await desk.inbox.store(updatesOf(['poison', 'after it']))
  await desk.inbox.store(updatesOf(texts(30), 100, (at) => 10 + at))
  desk.run()
  await desk.allHandled()
  t.deepEqual(await desk.written(), [...texts(30), 'put aside: poison', 'after it'])
})

test('no more than sixteen chats take time at once; the others of them wait, and all are handled', async (t) => {
  let most = 0
  let now = 0
  await using desk = await openJobs(undefined, async (_text, signal) => {
    most = Math.max(most, ++now)
    await delay(20, undefined, { signal })
    now--
  })
  const slow = texts(50).map((text) => `slow ${text}`)
  await desk.inbox.store(updatesOf(slow, 1, (at) => at))
  desk.run()
  await desk.allHandled()
  t.is(most, 16)
  t.deepEqual((await desk.written()).sort(), slow.sort())
})

test('whatever takes time or fails, each update is handled once, and those of a chat in their order', async (t) => {
  const seed = seedOfRun()
  t.log(`TEST_SEED=${seed}`)
  const random = seeded(seed)
  const failing = new Set<string>()
  await using desk = await openJobs(
    (text) => {
      // At the second try it goes well.
      if (failing.delete(text)) throw new Error('no')
    },
    async (text, signal) => {
      await delay(random() * 20, undefined, { signal })
      if (/hopeless/.test(text)) throw new Error('no')
    },
  )
  const chats = Array.from({ length: 120 }, () => Math.floor(random() * 6))
  const all = chats.map((chat, at) => {
    const text = `${random() < 0.3 ? 'slow' : 'fast'} ${at} of ${chat}${at === 40 ? ' hopeless' : ''}`
    if (random() < 0.05) failing.add(text)
    return at === 40 ? text.replace('fast', 'slow') : text
  })
  desk.run()
  for (let at = 0; at < all.length; at += 15) {
    await desk.inbox.store(updatesOf(all.slice(at, at + 15), at + 1, (place) => chats[at + place] ?? 0))
    await delay(random() * 30)
  }
  await desk.allHandled()
  const written = (await desk.written()).map((text) => text.replace('put aside: ', ''))
  for (const chat of new Set(chats)) {
    const ofChat = (text: string) => new RegExp(`of ${chat}( |$)`).test(text)
    t.deepEqual(written.filter(ofChat), all.filter(ofChat))
  }
})

test('beside an update that an earlier process has tried, nothing is prepared', async (t) => {
  const running: string[] = []
  const pairs: string[] = []
  await using desk = await openJobs(undefined, async (text, signal) => {
    running.push(text)
    if (running.length > 1) pairs.push(running.join())
    await delay(20, undefined, { signal })
    running.splice(running.indexOf(text), 1)
  })
  await desk.inbox.store(updatesOf(['slow 1', 'slow 2', 'slow 3', 'slow 4'], 1, (at) => at))
  await desk.depot.database.query('UPDATE updates SET tries = 1 WHERE update_id IN (2, 4)')
  desk.run()
  await desk.allHandled()
  t.deepEqual(pairs, [])
  await desk.inbox.store(updatesOf(['slow 5', 'slow 6', 'slow 7'], 5, (at) => at))
  await desk.allHandled()
  t.true(pairs.length > 0, 'without such ones they are')
})

test('a stop does not wait for what an update is prepared by, and costs it no try', async (t) => {
  await using desk = await openJobs(undefined, () => new Promise(() => {}))
  await desk.inbox.store(updatesOf(['slow']))
  desk.run()
  const sql = 'SELECT tries FROM updates WHERE handled_at IS NULL'
  await until('it is begun', async () => {
    const [row] = await desk.depot.database.query<{ tries: number }>(sql)
    return row?.tries === 1
  })
  await desk.stop()
  t.deepEqual(await desk.depot.database.query(sql), [{ tries: 0 }])
})

test('updates that a release without chats has kept are in order as well', async (t) => {
  const { promise: end, resolve } = Promise.withResolvers<void>()
  await using desk = await openJobs(undefined, () => end)
  await desk.inbox.store(updatesOf(['slow', 'after it']))
  await desk.inbox.store(updatesOf(['other chat'], 3, () => 6))
  const { database } = desk.depot
  await database.query('UPDATE updates SET chat_id = NULL')
  desk.run()
  await until('the other chat is served', async () => (await desk.written()).length > 0)
  t.deepEqual(await desk.written(), ['other chat'])
  resolve()
  await desk.allHandled()
  t.deepEqual(await desk.written(), ['other chat', 'slow', 'after it'])
})

test('the look past chats that are apart reads none of their rows', async (t) => {
  await using desk = await openJobs()
  const { database, statements } = recordStatements(desk.depot.database)
  await new UpdateRows(botId, database).take(10, { apart: [5, 6], alone: [] })
  for (const sql of statements) {
    const steps = await planOf(desk.depot.database, sql)
    t.true(
      steps.includes('SEARCH updates USING COVERING INDEX updates_waiting_chats (bot_id=?)'),
      steps.join('\n'),
    )
    t.false(steps.some((step) => /^SCAN updates/.test(step)))
  }
})

test('what a process had in hand when it vanished is handled once by the next, before those behind it', async (t) => {
  await using desk = await openJobs(undefined, () => new Promise(() => {}))
  await desk.inbox.store(updatesOf(['slow', 'after it']))
  desk.run()
  const { database, log } = desk.depot
  const taken = 'SELECT 1 FROM updates WHERE tries = 1'
  await until('it is in hand', async () => (await database.query(taken)).length > 0)
  const write = (update: Update) => async () => {
    await database.query('INSERT INTO written (text) VALUES ($1)', textOf(update))
  }
  const parts = { botId, database, log, putAside: async () => t.fail() }
  const next = new Inbox({ ...parts, plan: (update) => ({ prepare: async () => write(update) }) })
  const stop = new AbortController()
  const running = next.run(stop.signal)
  await desk.allHandled()
  stop.abort()
  await running
  t.deepEqual(await desk.written(), ['slow', 'after it'])
})
