import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import testAny, { type TestFn } from 'ava'
import { pino } from 'pino'
import { openDatabase, openQueries } from '../../../app/core/database/database.ts'
import { DatabaseAway, isDatabaseDown } from '../../../app/core/database/errors.ts'
import type { Migration } from '../../../app/core/database/migrations.ts'
import { StartError, Unavailable } from '../../../app/core/errors.ts'
import type { Log } from '../../../app/core/log.ts'
import { addressOf, findPostgres, type Server, startPostgres } from '../../helpers/postgres.ts'
import { until } from '../../helpers/until.ts'

const test = ((await findPostgres()) === undefined ? testAny.skip : testAny.serial) as TestFn
const table: Migration[] = [
  { name: 'rows-1', statements: ['CREATE TABLE rows (id INTEGER PRIMARY KEY, n BIGINT)'] },
]
let server: Server
if ((await findPostgres()) !== undefined) {
  testAny.before(async () => {
    server = await startPostgres()
  })
  testAny.after.always(() => server[Symbol.asyncDispose]())
}

async function newRows() {
  const settings = { DATABASE_URL: await server.createDatabase(), STATE_DIRECTORY: stateOf() }
  return { settings, database: await openDatabase(settings, table) }
}

/** Removed with the server. */
const stateOf = () => join(server.folder, 'state')

const run = promisify(execFile)
const silent: Log = pino({ level: 'silent' })

test('numbers come as numbers, what is true as 1, and no number comes changed', async (t) => {
  const { database } = await newRows()
  await using owned = database
  const sql =
    'SELECT CAST($1 AS BIGINT) AS big, SUM(CAST(5 AS BIGINT)) AS sum, 1 = 1 AS yes, count(*) AS count'
  t.deepEqual(await owned.query(sql, 2 ** 52), [{ big: 2 ** 52, sum: 5, yes: 1, count: 1 }])
  await t.throwsAsync(owned.query('SELECT CAST(9007199254740993 AS BIGINT)'), { message: /9007199254740993/ })
})

test('ids are counted by themselves, and never given again', async (t) => {
  const { database } = await newRows()
  await using owned = database
  const add = async () =>
    (await owned.query<{ id: number }>('INSERT INTO rows (n) VALUES (1) RETURNING id'))[0]?.id
  t.deepEqual([await add(), await add()], [1, 2])
  await owned.query('DELETE FROM rows')
  t.is(await add(), 3)
})

test('transactions that wait for each other are run again', async (t) => {
  const { database } = await newRows()
  await using owned = database
  await owned.query('INSERT INTO rows (n) VALUES (0), (0)')
  const both = Promise.withResolvers<void>()
  let begun = 0
  const add = (order: number[]) =>
    owned.transaction(async () => {
      for (const id of order) {
        await owned.query('UPDATE rows SET n = n + 1 WHERE id = $1', id)
        if (++begun === 2) both.resolve()
        await both.promise
      }
    })
  await Promise.all([add([1, 2]), add([2, 1])])
  t.deepEqual(await owned.query('SELECT n FROM rows ORDER BY id'), [{ n: 2 }, { n: 2 }])
})

test('a wrong database or user is a fault of the settings, told without the password', async (t) => {
  const open = (name: string) =>
    openDatabase(
      {
        DATABASE_URL: addressOf(server.folder, name).replace('tgdepot@', 'tgdepot:s3cr3t@'),
        STATE_DIRECTORY: stateOf(),
      },
      table,
    )
  const missing = await t.throwsAsync(open('nothing'), {
    instanceOf: StartError,
    message: /nothing .* does not exist/,
  })
  t.false(JSON.stringify(missing).includes('s3cr3t') || String(missing?.stack).includes('s3cr3t'))
})

test('a server that is not there is waited for', async (t) => {
  const settings = { DATABASE_URL: addressOf(`${server.folder}/none`, 'x'), STATE_DIRECTORY: stateOf() }
  await t.throwsAsync(openDatabase(settings, table), { instanceOf: DatabaseAway })
})

test('a restart of the server fails what runs, as a state of the database, and what comes next works', async (t) => {
  const { database } = await newRows()
  await using owned = database
  const count = owned.prepare<{ n: number }>('SELECT count(*) AS n FROM rows WHERE n < ?')
  t.deepEqual(await count(1), { n: 0 })
  const broken = owned.transaction(async () => {
    await owned.query('INSERT INTO rows (n) VALUES (1)')
    await server.stop()
    await owned.query('INSERT INTO rows (n) VALUES (2)')
  })
  t.true(isDatabaseDown(await t.throwsAsync(broken)))
  t.true(isDatabaseDown(await t.throwsAsync(owned.query('SELECT 1'))))
  await server.start()
  await until('the database answers', () => owned.query('SELECT 1').catch(() => undefined))
  await owned.transaction(() => owned.query('INSERT INTO rows (n) VALUES (3)'))
  t.deepEqual(await owned.query('SELECT n FROM rows'), [{ n: 3 }])
  t.deepEqual(await count(4), { n: 1 })
})

test('the web role asks visitors to come again while the server is away, and finds it by itself', async (t) => {
  const { settings, database } = await newRows()
  await database.query('INSERT INTO rows (n) VALUES (7)')
  await database[Symbol.asyncDispose]()
  await using queries = await openQueries(settings, silent)
  const read = queries.prepare<{ n: number }>('SELECT n FROM rows WHERE id = ?')
  t.deepEqual(await read(1), { n: 7 })
  t.true(await queries.hasTable('rows'))
  t.false(await queries.hasTable('nothing'))
  await server.stop()
  await t.throwsAsync(read(1), { instanceOf: Unavailable })
  await t.throwsAsync(queries.query('UPDATE rows SET n = 8 RETURNING id'), { instanceOf: Unavailable })
  await server.start()
  t.deepEqual(await until('the row is read', () => read(1).catch(() => undefined)), { n: 7 })
  await t.throwsAsync(queries.query('SELECT * FROM nothing'), { instanceOf: Unavailable })
  t.deepEqual(await queries.query('SELECT n FROM rows'), [{ n: 7 }])
})

testAny('on SQLite nothing of PostgreSQL is loaded', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-modules-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const helpers = join(import.meta.dirname, '../../helpers')
  const words = [`--import=${join(helpers, 'record-modules.ts')}`, join(helpers, 'write-rows.ts')]
  const MODULES = join(dir, 'modules')
  await run(process.execPath, [...words, `sqlite:${dir}/x.db`, 'a', '1'], { env: { MODULES } })
  const modules = (await readFile(MODULES, 'utf8')).split('\n')
  t.true(modules.some((name) => name.includes('/sequelize/')))
  t.deepEqual(
    modules.filter((name) => /postgres-|node_modules\/pg\//.test(name)),
    [],
  )
})

test('a user with the rights that the README gives to the web role can read, and ask for a clean-up', async (t) => {
  const DATABASE_URL = await server.createDatabase()
  const settings = { DATABASE_URL, STATE_DIRECTORY: stateOf() }
  {
    await using database = await openDatabase(settings, [])
    await database.query('CREATE ROLE "tgdepot-web" LOGIN')
    await database.query(
      'ALTER DEFAULT PRIVILEGES FOR ROLE tgdepot GRANT SELECT, INSERT, UPDATE ON TABLES TO "tgdepot-web"',
    )
  }
  await (await openDatabase(settings, table))[Symbol.asyncDispose]()
  const url = DATABASE_URL.replace('tgdepot@', 'tgdepot-web@')
  await using queries = await openQueries({ ...settings, DATABASE_URL: url }, silent)
  t.deepEqual(await queries.query('INSERT INTO rows (n) VALUES (1) RETURNING id'), [{ id: 1 }])
  t.deepEqual(await queries.query('SELECT n FROM rows'), [{ n: 1 }])
  await t.throwsAsync(queries.query('DELETE FROM rows'), { instanceOf: Unavailable })
})

test('what one process notifies of, the others hear, also after the server was away', async (t) => {
  const { settings, database } = await newRows()
  await using one = database
  await using other = await openDatabase(settings, table)
  let heard = 0
  one.listen('rows', () => heard++)
  const tell = async () => {
    await other.notify('rows').catch(() => {})
    return heard > 0
  }
  await until('it is heard', tell)
  await server.stop()
  await server.start()
  heard = 0
  await until('it is heard again', tell)
  t.pass()
})
