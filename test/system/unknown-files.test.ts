import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { betweenSweeps, cleanUp, startRoles } from '../helpers/start-roles.ts'
import { fill, putFile, putLink } from '../helpers/stored-links.ts'
import { until } from '../helpers/until.ts'

const owner = 9000
const execFileAsync = promisify(execFile)
const day = 86_400_000

const putFiles = async (app: App, count: number) => {
  const made: string[] = []
  for (let i = 0; i < count; i++) made.push(await putFile(app))
  return made.sort()
}

test.serial('a few files that nobody knows are set aside, and one command takes them back', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api, { ADMIN_USERS: String(owner) })
  const { bot, web } = roles
  await api.sendText('/start', { from: { id: owner } })
  await betweenSweeps()
  const strange = await putFiles(bot, 20)
  t.is((await cleanUp(web)).orphans, 20)
  const isAbout = ({ text }: { text?: string }) =>
    /^Set aside.*: 20 files in the store.*tgdepot take-back/.test(text ?? '')
  await api.waitForMessage(owner, isAbout)
  t.deepEqual((await bot.setAside()).sort(), strange)
  t.deepEqual(await bot.stored(), [])
  // Known by now, as when the right database is there again.
  for (const uuid of strange.slice(0, 15)) putLink(bot, uuid)
  const said = await bot.command('take-back')
  t.regex(said, /20 files are back.*\n.*5 of them belong to no link/)
  t.deepEqual((await bot.stored()).sort(), strange)
  t.deepEqual(await bot.setAside(), [])
  t.is(await bot.command('take-back'), '0 files are back in the store.\n')
})

test.serial('a file that cannot be moved keeps no other in the quarantine', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('only root can make a file that nobody can move')
  await using api = await startBotApi()
  await using disk = await mountSmallDisk(64)
  await using roles = await startRoles(api, {}, disk.folder)
  const { bot, web } = roles
  await betweenSweeps()
  const strange = await putFiles(bot, 5)
  t.is((await cleanUp(web)).orphans, 5)
  const [day = ''] = await readdir(join(bot.storage, 'quarantine'))
  const [first = ''] = strange
  const path = join(bot.storage, 'quarantine', day, first.slice(0, 2), first)
  await execFileAsync('chattr', ['+i', path])
  try {
    t.regex(await bot.command('take-back'), /4 files are back.*\n1 cannot be moved/)
    t.deepEqual(await bot.setAside(), [first])
  } finally {
    await execFileAsync('chattr', ['-i', path])
  }
})

test.serial('a command with a mistyped database makes none, and leaves the store to its own', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  await app.kill('SIGTERM')
  const marker = await readFile(join(app.storage, '.tgdepot-store'), 'utf8')
  const mistyped = join(app.dir, 'db', 'mistyped.db')
  const error = await t.throwsAsync(app.command('accept-store', { DATABASE_URL: `sqlite:${mistyped}` }))
  t.regex(String(error), /there is no database at/)
  t.is(await readFile(join(app.storage, '.tgdepot-store'), 'utf8'), marker)
  t.false(existsSync(mistyped))
})

test.serial('a command that the file system refuses says so in a sentence', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  await app.kill('SIGTERM')
  const error = await t.throwsAsync(app.command('accept-store', { STORAGE_PATH: '/dev/null/store' }))
  t.like(error, { stdout: '', stderr: "ENOTDIR: not a directory, mkdir '/dev/null/store'\n" })
  // Where nobody can make a folder, and the system says that the one above it is missing.
  const below = await t.throwsAsync(app.command('accept-store', { STORAGE_PATH: '/proc/store/below' }))
  t.like(below, { stdout: '', stderr: "ENOENT: no such file or directory, mkdir '/proc/store'\n" })
})

test.serial('of many unknown files none moves: the owner is told once, and decides', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { ADMIN_USERS: String(owner) })
  const { bot, web } = roles
  await api.sendText('/start', { from: { id: owner } })
  await betweenSweeps()
  const strange = await putFiles(bot, 21)
  for (let round = 0; round < 3; round++) t.is((await cleanUp(web)).orphans, 0)
  t.deepEqual((await bot.stored()).sort(), strange)
  const isAbout = ({ text }: { text?: string }) => /21 files.*tgdepot set-aside/.test(text ?? '')
  await api.waitForMessage(owner, isAbout)
  t.is((await api.chat(owner)).messages.filter(isAbout).length, 1)
  t.is(bot.lines.filter(({ message }) => message === 'too many files that nobody knows').length, 1)
  t.regex(await bot.command('set-aside'), /^21 files/)
  t.deepEqual((await bot.setAside()).sort(), strange)
  t.is((await cleanUp(web)).orphans, 0)
})

test.serial('set-aside goes on until no unknown file is left, however many they are', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  await app.kill('SIGTERM')
  for (let made = 0; made < 100_300; made++) {
    const uuid = randomUUID()
    writeFileSync(join(app.storage, uuid.slice(0, 2), uuid), '')
  }
  const [known = ''] = await fill(app, 1)
  t.is(
    await app.command('set-aside'),
    '100300 files that nobody knows are in the quarantine now. For 7 days, take-back puts back what is there.\n',
  )
  t.deepEqual(await app.stored(), [known])
})

test.serial('set-aside says how many files it cannot move', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('only root can make a file that nobody can move')
  await using api = await startBotApi()
  await using disk = await mountSmallDisk(64)
  await using app = await startApp({ api, roles: ['bot'], dir: disk.folder })
  await betweenSweeps()
  const [first = ''] = await putFiles(app, 5)
  const path = join(app.storage, first.slice(0, 2), first)
  await execFileAsync('chattr', ['+i', path])
  try {
    t.regex(await app.command('set-aside'), /4 files that nobody knows.*\n1 cannot be moved/)
    t.deepEqual(await app.stored(), [first])
  } finally {
    await execFileAsync('chattr', ['-i', path])
  }
})

test.serial('of a large store one in a hundred may be unknown', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  await betweenSweeps()
  await fill(bot, 3000)
  await putFiles(bot, 30)
  t.is((await cleanUp(web)).orphans, 30)
  await putFiles(bot, 31)
  t.is((await cleanUp(web)).orphans, 0)
})

test.serial('a link whose file was set aside has it back by itself', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  await betweenSweeps()
  const [uuid = ''] = await putFiles(bot, 1)
  t.is((await cleanUp(web)).orphans, 1)
  putLink(bot, uuid)
  t.is((await cleanUp(web)).missing, 0)
  t.deepEqual(await bot.stored(), [uuid])
  t.is((await web.get(`/download/${uuid}`)).status, 200)
})

test.serial('an old copy of the database loses no file that is newer than it', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  await linkFor(api, await api.sendFile({ seed: 'old' }))
  bot.sql(`VACUUM INTO '${join(roles.dir, 'backup')}'`)
  const { uuid, path } = await linkFor(api, await api.sendFile({ seed: 'new' }))
  bot.sql(`VACUUM INTO '${join(roles.dir, 'newest')}'`)
  const restore = async (copy: string) => {
    await Promise.all([bot.kill('SIGTERM'), web.kill('SIGTERM')])
    for (const suffix of ['-wal', '-shm']) await rm(bot.databaseFile + suffix, { force: true })
    await rename(join(roles.dir, copy), bot.databaseFile)
    await bot.start()
    await web.start()
  }
  await restore('backup')
  await betweenSweeps()
  t.is((await cleanUp(web)).orphans, 1)
  t.deepEqual(await bot.setAside(), [uuid])
  await restore('newest')
  await betweenSweeps()
  await cleanUp(web)
  t.is((await web.get(path)).status, 200)
})

test.serial('the file of a running job stays, however many others wait', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  await api.settings({ download_bytes_per_second: 0 })
  await api.sendFile()
  const [row] = await until('it runs', () => {
    const rows = bot.sql<{ subject: string; user_id: number }>(
      `SELECT subject, user_id FROM jobs WHERE status = 'RUNNING'`,
    )
    return rows.length === 1 && rows
  })
  const running = String(row?.subject)
  bot.sql(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)
     INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, turn, due_at, created_at, updated_at)
     SELECT 'ingest', 'x' || i, 'QUEUED', 1, -i, 1, 0, '{"uuid":"' || i || '"}', i + 10, 9e15, 1, 1 FROM n`,
  )
  await betweenSweeps()
  await putFile(bot, running)
  t.is((await cleanUp(web)).orphans, 0)
  t.deepEqual(await bot.stored(), [running])
})

test.serial(
  'what a job of a kind that nobody here knows holds is neither set aside nor removed until it has ended',
  async (t) => {
    t.timeout(60_000)
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const { bot, web } = roles
    await betweenSweeps()
    // Of a link that has ended, and one that has none yet.
    const [ended = '', coming = ''] = await putFiles(bot, 2)
    putLink(bot, ended, 1)
    for (const uuid of [ended, coming]) {
      bot.sql(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, subject, turn, due_at, created_at,
         updated_at) VALUES ('archive', ?, 'QUEUED', 0, 1, 1, 0, '{}', ?, 0, 1, 1, 1)`,
        uuid,
        uuid,
      )
    }
    t.like(await cleanUp(web), { orphans: 0, expired: { links: 0 } })
    t.deepEqual((await bot.stored()).sort(), [ended, coming].sort())
    bot.sql(`UPDATE jobs SET status = 'COMPLETED'`)
    await betweenSweeps()
    t.like(await cleanUp(web), { orphans: 1, expired: { links: 1 } })
    t.deepEqual(await bot.stored(), [])
  },
)

test.serial('a job of the version before, without a subject, keeps its file too', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  await api.settings({ download_bytes_per_second: 0 })
  await api.sendFile()
  const [row] = await until('it is there', () => {
    const rows = bot.sql<{ subject: string }>('SELECT subject FROM jobs')
    return rows.length === 1 && rows
  })
  bot.sql('UPDATE jobs SET subject = NULL')
  await betweenSweeps()
  await putFile(bot, String(row?.subject))
  t.is((await cleanUp(web)).orphans, 0)
})

test.serial(
  'what was set aside a week ago goes for good, by the day of its entry and not by the file’s',
  async (t) => {
    t.timeout(150_000)
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const { bot } = roles
    const dated = (age: number) => new Date(Date.now() - age * day).toISOString().slice(0, 10)
    const put = async (age: number, uuid = randomUUID()) => {
      await putFile(bot, uuid)
      const folder = join(bot.storage, 'quarantine', dated(age), uuid.slice(0, 2))
      await mkdir(folder, { recursive: true })
      await rename(join(bot.storage, uuid.slice(0, 2), uuid), join(folder, uuid))
      await utimes(join(folder, uuid), 1, 1)
      return uuid
    }
    const young = [await put(0), await put(7)]
    await put(9)
    await until('the old one is gone', async () => (await bot.setAside()).length === 2, 90_000)
    t.deepEqual((await bot.setAside()).sort(), young.sort())
  },
)

test.serial('a file of the quarantine whose link is there again outlives its day of removal', async (t) => {
  t.timeout(150_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  // Back in use after a week and more, at a moment when the quarantine is looked through before the store is.
  await until('it is shortly before that', () => new Date().getSeconds() === 34, 61_000)
  const uuids: string[] = []
  for (const isKnown of [true, false]) {
    const uuid = await putFile(bot)
    const day9 = new Date(Date.now() - 9 * day).toISOString().slice(0, 10)
    const folder = join(bot.storage, 'quarantine', day9, uuid.slice(0, 2))
    await mkdir(folder, { recursive: true })
    await rename(join(bot.storage, uuid.slice(0, 2), uuid), join(folder, uuid))
    if (isKnown) putLink(bot, uuid)
    uuids.push(uuid)
  }
  const [known = ''] = uuids
  await until('the unknown one is gone', async () => !(await bot.setAside()).includes(uuids[1] ?? ''), 30_000)
  await until('the other one is back', async () => (await bot.stored()).includes(known), 60_000)
  t.is((await web.get(`/download/${known}`)).status, 200)
})
