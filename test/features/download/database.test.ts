import { chmod, copyFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { type App, createApp, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const uuid = 'a1b2c3d4-0000-4000-8000-0000000000d1'
const path = `/download/${uuid}`
const adminToken = 'the-administrators-token'
const asAdmin = { method: 'POST', headers: { Authorization: `Bearer ${adminToken}` } }

/** A depot with one link, and the web role beside it, not started. */
async function openShared(t: ExecutionContext): Promise<{ depot: Depot; web: App }> {
  const depot = await openDepot()
  t.teardown(() => depot[Symbol.asyncDispose]())
  await depot.share({ uuid, bytes: 'hello' })
  const web = await createApp({
    roles: ['web'],
    dir: depot.dir,
    env: { ADMIN_TOKEN: adminToken },
    isPowerless: true,
  })
  t.teardown(() => web[Symbol.asyncDispose]())
  return { depot, web }
}

/** Another program that works on the database. */
function otherProgram(t: ExecutionContext, file: string, statement: string): DatabaseSync {
  const other = new DatabaseSync(file)
  t.teardown(() => other.isOpen && other.close())
  other.exec(statement)
  return other
}

/** Makes the folder of the database, or all in it too, read-only until the end of the test. */
async function forbidWriting(t: ExecutionContext, file: string): Promise<() => Promise<void>> {
  const folder = dirname(file)
  const set = async (ofFolder: number, ofFile: number) => {
    for (const name of await readdir(folder)) await chmod(join(folder, name), ofFile)
    await chmod(folder, ofFolder)
  }
  const allow = () => set(0o755, 0o644)
  t.teardown(allow)
  await set(0o555, 0o444)
  return allow
}

/** How long the first page, which needs no database, takes at most while `work` goes on. */
async function slowestPage<T>(web: App, work: Promise<T>): Promise<{ result: T; slowest: number }> {
  let slowest = 0
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const began = performance.now()
    await web.get('/')
    slowest = Math.max(slowest, performance.now() - began)
    await delay(20)
  }
  return { result: await over, slowest }
}

test('a database that may only be read is served, beside one who writes it', async (t) => {
  const { depot, web } = await openShared(t)
  await forbidWriting(t, depot.databaseFile)
  await web.start()
  t.is((await web.get(path)).text, 'hello')
  await depot.share({ uuid: uuid.replace('d1', 'd2'), bytes: 'new' })
  t.is((await web.get(path.replace('d1', 'd2'))).text, 'new')
  const { status, text } = await web.get('/cleanup', asAdmin)
  t.is(status, 503)
  t.is(JSON.parse(text).error, 'unavailable')
})

test('a database that was closed, in a folder that may only be read, is served, and what is written later too', async (t) => {
  const { depot, web } = await openShared(t)
  const { databaseFile } = depot
  await depot.database[Symbol.asyncDispose]()
  const allow = await forbidWriting(t, databaseFile)
  t.deepEqual(await readdir(dirname(databaseFile)), ['tgdepot.db'])
  await web.start()
  t.is((await web.get(path)).text, 'hello')
  await allow()
  otherProgram(t, databaseFile, `UPDATE links SET expires_at = 1 WHERE uuid = '${uuid}'`)
  await until('the end of the link is seen', async () => (await web.get(path)).status === 404)
  t.pass()
})

test('what a crash left in the log beside the database is read', async (t) => {
  const { depot, web } = await openShared(t)
  const file = join(depot.dir, 'db', 'copy.db')
  // As a killed process leaves them: the link is in the log alone.
  const { databaseFile } = depot
  t.true((await stat(`${databaseFile}-wal`)).size > 0)
  for (const suffix of ['', '-wal']) await copyFile(databaseFile + suffix, file + suffix)
  await web.start({ DATABASE_URL: `sqlite:${file}` })
  t.is((await web.get(path)).text, 'hello')
})

test('before the bot role has made the tables visitors are asked to come again, and then served without a restart', async (t) => {
  await using web = await startApp({ roles: ['web'] })
  const { status, headers, text } = await web.get(path, { headers: { Accept: 'text/html' } })
  t.is(status, 503)
  t.truthy(headers['retry-after'])
  t.is(headers['cache-control'], 'no-store')
  t.regex(text, /<h1>Please try again/)
  t.is((await web.get('/')).status, 200)
  t.is((await web.get('/health')).status, 503)
  t.deepEqual(
    (await readdir(web.dir)).filter((name) => name === 'db'),
    [],
    'nothing was made',
  )

  const depot = await openDepot()
  t.teardown(() => depot[Symbol.asyncDispose]())
  await depot.share({ uuid, bytes: 'hello' })
  await rename(dirname(depot.databaseFile), dirname(web.databaseFile))
  await rename(depot.store.root, web.storage)
  await until('the link is served', async () => (await web.get(path)).text === 'hello')
  const complaints = web.lines.filter(({ level }) => level === 'error')
  t.is(complaints.length, 1, JSON.stringify(complaints))
})

test('tables that an earlier release made are left as they are', async (t) => {
  const { depot, web } = await openShared(t)
  await depot.database.query('DROP TABLE health')
  await depot.database.query("DELETE FROM migrations WHERE name = 'health-1'")
  await web.start()
  t.is((await web.get(path)).text, 'hello')
  t.is((await web.get('/health')).status, 503)
  t.is((await web.get(path)).text, 'hello')
  t.deepEqual(await depot.database.query("SELECT name FROM sqlite_master WHERE name = 'health'"), [])
})

test('a write lock that another program holds hinders neither the start nor a download', async (t) => {
  const { depot, web } = await openShared(t)
  otherProgram(t, depot.databaseFile, 'BEGIN IMMEDIATE; UPDATE links SET size = size')
  await web.start()
  const began = performance.now()
  t.is((await web.get(path)).text, 'hello')
  t.true(performance.now() - began < 1000)
})

test('a database that is locked for readers too holds up nobody who does not need it, and is waited for', async (t) => {
  const { depot, web } = await openShared(t)
  await depot.database[Symbol.asyncDispose]()
  const lock = 'PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE links SET size = size; COMMIT'
  const other = otherProgram(t, depot.databaseFile, lock)
  await web.start()
  const refused = await slowestPage(web, web.get(path))
  t.is(refused.result.status, 503)
  t.true(refused.slowest < 1000, `${refused.slowest} ms`)
  const late = await slowestPage(web, web.get(path))
  t.is(late.result.status, 503)
  other.close()
  await until('it is served again', async () => (await web.get(path)).text === 'hello')
  const said = () => web.lines.filter(({ message }) => /database/.test(message)).map(({ level }) => level)
  await until('that it is over is said', () => said().includes('info'))
  t.deepEqual(said(), ['error', 'info'], 'once')

  await web.kill()
  const again = otherProgram(t, depot.databaseFile, lock)
  await web.start()
  const waiting = web.get(path)
  await delay(500)
  again.close()
  t.is((await waiting).text, 'hello', 'a short lock costs a request some time, and no more')
})

test('POST /cleanup under a write lock says that nothing came of it, and holds up no download', async (t) => {
  const { depot, web } = await openShared(t)
  await web.start()
  const other = otherProgram(t, depot.databaseFile, 'BEGIN IMMEDIATE')
  const { result, slowest } = await slowestPage(web, web.get('/cleanup', asAdmin))
  t.is(result.status, 503)
  t.truthy(result.headers['retry-after'])
  t.regex(JSON.parse(result.text).message, /could not be asked for.*try again/)
  t.true(slowest < 1000, `${slowest} ms`)
  other.exec('ROLLBACK')
  t.deepEqual(await depot.database.query('SELECT id FROM cleanups'), [])

  const waiting = web.get('/cleanup', asAdmin)
  await until(
    'it is asked for',
    async () => (await depot.database.query('SELECT id FROM cleanups')).length === 1,
  )
  await depot.database.query(`UPDATE cleanups SET finished_at = 1, result = '{"status":"done"}'`)
  t.deepEqual(JSON.parse((await waiting).text), { status: 'done' })
})

test('another database under the same name is noticed', async (t) => {
  const { depot, web } = await openShared(t)
  await web.start()
  t.is((await web.get(path)).text, 'hello')
  const backup = join(depot.dir, 'backup.db')
  await depot.database.query('UPDATE links SET expires_at = 1')
  await depot.database.query(`VACUUM INTO '${backup}'`)
  await depot.database[Symbol.asyncDispose]()
  await rename(backup, depot.databaseFile)
  await until('its links are the ones that count', async () => (await web.get(path)).status === 404)
  t.pass()
})

test('a backup that is copied into the same file is noticed, and what is written to it later too', async (t) => {
  const { depot, web } = await openShared(t)
  const { databaseFile: file } = depot
  await web.start()
  const backup = join(depot.dir, 'backup.db')
  const older = new DatabaseSync(file)
  older.exec(`VACUUM INTO '${backup}'`)
  older.close()
  const since = uuid.replace('d1', 'd2')
  await depot.share({ uuid: since, bytes: 'gone with the backup' })
  t.is((await web.get(`/download/${since}`)).status, 200)
  // The bot role is stopped; the web role, which stays, keeps SQLite from clearing up.
  await depot.database[Symbol.asyncDispose]()
  for (const suffix of ['-wal', '-shm']) await rm(file + suffix)
  await copyFile(backup, file)
  await until('it is read', async () => (await web.get(`/download/${since}`)).status === 404)
  t.is((await web.get(path)).status, 200)
  const bot = otherProgram(t, file, 'PRAGMA journal_mode = WAL')
  bot.exec('UPDATE links SET expires_at = 1')
  await until('what the bot role writes is read', async () => (await web.get(path)).status === 404)
})
