import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { openDatabase } from '../../../app/core/database/database.ts'
import { DatabaseLocked } from '../../../app/core/database/errors.ts'
import type { Migration } from '../../../app/core/database/migrations.ts'
import { StartError } from '../../../app/core/errors.ts'
import { openFiles } from '../../helpers/consistency.ts'
import { databaseIn, onPostgres } from '../../helpers/database-in.ts'
import { allMigrations } from '../../helpers/records.ts'
import { until } from '../../helpers/until.ts'

const run = promisify(execFile)
const ofSqlite = onPostgres ? test.skip : test
const writer = join(import.meta.dirname, '../../helpers/write-rows.ts')
const table: Migration[] = [
  {
    name: 'rows-1',
    statements: ['CREATE TABLE rows (id INTEGER PRIMARY KEY, n INTEGER)', 'INSERT INTO rows (n) VALUES (0)'],
  },
]

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-database-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** A new database. */
async function settingsOf(t: ExecutionContext) {
  const dir = await folder(t)
  const { url, drop } = await databaseIn(dir)
  // Last, after whatever has it open.
  t.teardown(drop)
  return { DATABASE_URL: url, STATE_DIRECTORY: dir }
}

async function openRows(t: ExecutionContext) {
  const database = await openDatabase(await settingsOf(t), table)
  t.teardown(() => database[Symbol.asyncDispose]())
  const rows = async (): Promise<(number | null)[]> =>
    (await database.query<{ n: number | null }>('SELECT n FROM rows ORDER BY id')).map(({ n }) => n)
  return { ...database, rows }
}

const pause = () => delay(Math.random() * 3)

test('200 transactions and 200 loose writes at once neither fail nor mix', async (t) => {
  const { transaction, serialize, query } = await openRows(t)
  const add = async () => {
    await serialize('the first row')
    const [row] = await query<{ n: number }>('SELECT n FROM rows WHERE id = 1')
    await pause()
    await query('UPDATE rows SET n = $1 WHERE id = 1', Number(row?.n) + 1)
  }
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => [
      transaction(add),
      query('INSERT INTO rows (n) VALUES ($1)', i),
    ]).flat(),
  )
  const [first] = await query<{ n: number }>('SELECT n FROM rows WHERE id = 1')
  t.is(first?.n, 200, 'each read what the one before wrote')
  t.deepEqual(await query('SELECT count(*) AS n FROM rows'), [{ n: 201 }])
})

ofSqlite('writes that waited for a transaction let other work in between', async (t) => {
  const { transaction, query } = await openRows(t)
  const writes = 50
  const begun = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  const holder = transaction(async () => {
    await query('UPDATE rows SET n = 1')
    begun.resolve()
    await end.promise
  })
  await begun.promise
  const waiting = Array.from({ length: writes }, () => query('INSERT INTO rows (n) VALUES (2)'))
  await delay(50)
  let turns = 0
  let counting = true
  const count = () => {
    turns++
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  end.resolve()
  await Promise.all([holder, ...waiting])
  counting = false
  t.true(turns >= writes / 2, `${turns} turns of the event loop for ${writes} writes`)
})

test('a throw undoes all that its transaction wrote, and nothing else', async (t) => {
  const { transaction, query, rows } = await openRows(t)
  const failing = transaction(async () => {
    await query('INSERT INTO rows (n) VALUES (1)')
    await pause()
    throw new Error('no')
  })
  await Promise.all([
    t.throwsAsync(failing, { message: 'no' }),
    transaction(() => query('INSERT INTO rows (n) VALUES (2)')),
    query('INSERT INTO rows (n) VALUES (3)'),
  ])
  t.deepEqual((await rows()).sort(), [0, 2, 3])
})

test('a failing statement undoes its transaction, and the next one works', async (t) => {
  const { transaction, query, rows } = await openRows(t)
  await t.throwsAsync(
    transaction(async () => {
      await query('INSERT INTO rows (n) VALUES (1)')
      await query('INSERT INTO rows (id, n) VALUES (1, 1)')
    }),
  )
  await transaction(() => query('INSERT INTO rows (n) VALUES (2)'))
  t.deepEqual(await rows(), [0, 2])
})

test('a transaction inside another joins it', async (t) => {
  const { transaction, query, rows } = await openRows(t)
  await t.throwsAsync(
    transaction(async () => {
      await transaction(() => query('INSERT INTO rows (n) VALUES (1)'))
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.deepEqual(await rows(), [0])
})

ofSqlite('another reader does not see what is not committed', async (t) => {
  const { transaction, query, prepare, rows } = await openRows(t)
  const count = prepare<{ n: number }>('SELECT count(*) AS n FROM rows')
  await transaction(async () => {
    await query('INSERT INTO rows (n) VALUES (1)')
    t.is((await count())?.n, 1)
    t.is((await rows()).length, 2, 'inside it is seen')
  })
  t.is((await count())?.n, 2)
})

ofSqlite('a prepared read that fails leaves the next ones as they are', async (t) => {
  const { query, prepare } = await openRows(t)
  const count = prepare<{ n: number }>('SELECT count(*) AS n FROM rows')
  const fails = prepare('SELECT abs(CAST(? AS INTEGER))')
  const smallest = -(2 ** 63)
  await t.throwsAsync(Promise.all([count(), fails(smallest), count()]), { message: /integer overflow/ })
  await query('INSERT INTO rows (n) VALUES (1)')
  t.is((await count())?.n, 2)
})

test('an action for after the commit waits for it, is dropped by a rollback, and runs at once without a transaction', async (t) => {
  const { transaction, query, afterCommit } = await openRows(t)
  const done: string[] = []
  await transaction(async () => {
    afterCommit(() => done.push('committed'))
    await query('UPDATE rows SET n = 5')
    done.push('inside')
  })
  await t.throwsAsync(
    transaction(async () => {
      afterCommit(() => done.push('rolled back'))
      throw new Error('no')
    }),
  )
  afterCommit(() => done.push('loose'))
  t.deepEqual(done, ['inside', 'committed', 'loose'])
})

test('who listens to a channel hears of it after the commit, and of no other, until they stop', async (t) => {
  const { transaction, query, rows, notify, listen } = await openRows(t)
  const heard: string[] = []
  listen('others', () => heard.push('others'))
  const listening = listen('rows', () => heard.push('rows'))
  // A connection that comes about tells all: nobody knows what it missed.
  await until('it is listened to', async () => {
    await notify('rows')
    return heard.includes('rows')
  })
  heard.length = 0
  await notify('others')
  await until('what was told before has come', () => heard.includes('others'))
  heard.length = 0
  await transaction(async () => {
    await notify('rows')
    await query('INSERT INTO rows (n) VALUES (1)')
    t.deepEqual(heard, [])
  })
  await until('it is heard', () => heard.length > 0)
  t.deepEqual(heard, ['rows'])
  await t.throwsAsync(
    transaction(async () => {
      await notify('rows')
      throw new Error('no')
    }),
  )
  listening[Symbol.dispose]()
  await notify('rows')
  t.deepEqual(heard, ['rows'])
  t.deepEqual(await rows(), [0, 1])
})

/** A row whose parent is missing when COMMIT asks for it. */
const orphans: Migration[] = [
  ...table,
  {
    name: 'rows-2',
    statements: ['CREATE TABLE children (parent INTEGER REFERENCES rows (id) DEFERRABLE INITIALLY DEFERRED)'],
  },
]

test.serial('a COMMIT that fails undoes its transaction, runs no action, and holds up nobody', async (t) => {
  const settings = await settingsOf(t)
  await using database = await openDatabase(settings, orphans)
  const { transaction, query, afterCommit } = database
  const done: string[] = []
  for (let turn = 1; turn <= 3; turn++) {
    const failing = transaction(async () => {
      afterCommit(() => done.push('failed'))
      await query('INSERT INTO children (parent) VALUES (99)')
    })
    await t.throwsAsync(failing, { message: /foreign key/i })
    await transaction(async () => {
      afterCommit(() => done.push('committed'))
      await query('INSERT INTO rows (n) VALUES ($1)', turn)
    })
  }
  t.deepEqual(done, ['committed', 'committed', 'committed'])
  t.deepEqual(await query('SELECT parent FROM children'), [])
  t.deepEqual(await query('SELECT n FROM rows ORDER BY id'), [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }])
})

ofSqlite('transactions that cannot end leave no connection open', async (t) => {
  const dir = await folder(t)
  await using database = await openDatabase({ DATABASE_URL: `sqlite:${dir}/x.db` }, orphans)
  const { transaction, query } = database
  const connections = async () =>
    (await openFiles(process.pid)).filter((path) => path === `${dir}/x.db`).length
  const failing = () => transaction(() => query('INSERT INTO children (parent) VALUES (99)'))
  await t.throwsAsync(failing())
  const before = await connections()
  for (let turn = 0; turn < 5; turn++) await t.throwsAsync(failing())
  t.is(await connections(), before)
})

test('what runs on after its transaction has ended writes on its own', async (t) => {
  const { transaction, query, rows } = await openRows(t)
  let late: Promise<unknown> = Promise.resolve()
  await transaction(async () => {
    late = delay(30).then(() => query('INSERT INTO rows (n) VALUES (9)'))
    await query('INSERT INTO rows (n) VALUES (8)')
  })
  await late
  t.deepEqual(await rows(), [0, 8, 9])
})

test('what runs on after its transaction has ended begins one of its own', async (t) => {
  const { transaction, query, rows } = await openRows(t)
  let late: Promise<unknown> = Promise.resolve()
  await transaction(async () => {
    const write = async () => {
      await query('INSERT INTO rows (n) VALUES (9)')
      throw new Error('undone')
    }
    late = delay(30).then(() => transaction(write))
    await query('INSERT INTO rows (n) VALUES (8)')
  })
  await t.throwsAsync(late, { message: 'undone' })
  t.deepEqual(await rows(), [0, 8])
})

test('values come back as they went in', async (t) => {
  const { query } = await openRows(t)
  const big = 2 ** 52
  const text = 'Ж \'"$1 ? :x \u{1f389}'
  const [row] = await query(
    'SELECT CAST($1 AS BIGINT) AS big, $2 AS text, $3 AS empty, $4 AS missing, $2 AS again',
    big,
    text,
    null,
    undefined,
  )
  t.deepEqual(row, { big, text, empty: null, missing: null, again: text })
})

ofSqlite('the prepared reader cannot write', async (t) => {
  const { prepare } = await openRows(t)
  await t.throwsAsync(async () => prepare('UPDATE rows SET n = 1')(), { message: /readonly/ })
})

test('an update that returns rows gives them', async (t) => {
  const { query } = await openRows(t)
  t.deepEqual(await query('UPDATE rows SET n = n + 41 RETURNING id, n'), [{ id: 1, n: 41 }])
})

test('three processes write at once, each transaction whole', async (t) => {
  const settings = await settingsOf(t)
  const words = (name: string) => [writer, settings.DATABASE_URL, name, '60']
  await Promise.all(['a', 'b', 'c'].map((name) => run(process.execPath, words(name))))
  await using database = await openDatabase(settings, [])
  t.deepEqual(await database.query('SELECT writer, n FROM sums ORDER BY writer'), [
    { writer: 'a', n: 60 },
    { writer: 'b', n: 60 },
    { writer: 'c', n: 60 },
  ])
  const applied = await database.query<{ name: string }>('SELECT name FROM migrations ORDER BY name')
  const names = ['migrations-1', 'rows-1', 'rows-2'].map((name) => ({ name }))
  t.deepEqual(applied, names, 'each migration ran once')
})

test('migrations run once and in order, and new ones are added later', async (t) => {
  const settings = await settingsOf(t)
  const more = [...table, { name: 'rows-2', statements: ['ALTER TABLE rows ADD COLUMN m INTEGER'] }]
  for (const migrations of [table, table, more, more]) {
    await using database = await openDatabase(settings, migrations)
    t.is((await database.query('SELECT * FROM rows')).length, 1)
  }
  await using database = await openDatabase(settings, table)
  t.deepEqual(
    await database.query('SELECT n, m FROM rows'),
    [{ n: 0, m: null }],
    'an older release still runs',
  )
})

test('a migration that fails leaves nothing of its run', async (t) => {
  const settings = await settingsOf(t)
  const broken = [...table, { name: 'rows-2', statements: ['CREATE TABLE more (id INTEGER)', 'NO SQL'] }]
  await t.throwsAsync(openDatabase(settings, broken))
  await using database = await openDatabase(settings, table)
  await database.query('CREATE TABLE more (id INTEGER)')
  t.pass('the table is not there')
})

const later = (breaking?: true): Migration[] => [
  ...table,
  { name: 'rows-2', statements: ['CREATE TABLE later (id INTEGER)'], ...(breaking && { breaking }) },
]

test('what a newer release added is named, and does no harm', async (t) => {
  const settings = await settingsOf(t)
  for (const [migrations, newer] of [
    [later(), []],
    [table, ['rows-2']],
  ] as const) {
    await using database = await openDatabase(settings, [...migrations])
    t.deepEqual(database.newer, newer)
  }
})

test('what a newer release changed past use is refused in a sentence, until that release is back', async (t) => {
  const settings = await settingsOf(t)
  await (await openDatabase(settings, later(true)))[Symbol.asyncDispose]()
  await t.throwsAsync(openDatabase(settings, table), {
    instanceOf: StartError,
    message: /a newer release of tgdepot has changed this database \(rows-2\)/,
  })
  await (await openDatabase(settings, later(true)))[Symbol.asyncDispose]()
})

ofSqlite(
  'a database of the version before, without the new column, is taken up, and still takes its rows',
  async (t) => {
    const file = `${await folder(t)}/x.db`
    const old = new DatabaseSync(file)
    old.exec(`CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL);
    INSERT INTO migrations VALUES ('rows-1', 1); CREATE TABLE rows (id INTEGER PRIMARY KEY, n INTEGER)`)
    old.close()
    await using database = await openDatabase({ DATABASE_URL: `sqlite:${file}` }, table)
    await database.query(`INSERT INTO migrations (name, applied_at) VALUES ('old-2', 2)`)
    t.deepEqual(await database.query('SELECT name, breaking FROM migrations ORDER BY name'), [
      { name: 'migrations-1', breaking: 0 },
      { name: 'old-2', breaking: 0 },
      { name: 'rows-1', breaking: 0 },
    ])
  },
)

ofSqlite('a locked database is told from a damaged one', async (t) => {
  const file = `${await folder(t)}/x.db`
  const other = new DatabaseSync(file)
  other.exec('CREATE TABLE t (a); BEGIN EXCLUSIVE')
  await t.throwsAsync(openDatabase({ DATABASE_URL: `sqlite:${file}` }, []), { instanceOf: DatabaseLocked })
  other.exec('ROLLBACK')
  other.close()
  await (await openDatabase({ DATABASE_URL: `sqlite:${file}` }, []))[Symbol.asyncDispose]()
})

ofSqlite('a commit survives a power cut: WAL, and synced', async (t) => {
  const { query } = await openRows(t)
  t.deepEqual(await query('PRAGMA journal_mode'), [{ journal_mode: 'wal' }])
  t.deepEqual(await query('PRAGMA synchronous'), [{ synchronous: 2 }])
})

test('a migration has a name of its own, or an older release’s database would never get it', (t) => {
  const names = allMigrations.map(({ name }) => name)
  const twice = names.filter((name, at) => names.indexOf(name) !== at)
  // The module of Telegram was one with the outbox when it landed.
  t.deepEqual(twice, ['telegram-1'])
})
