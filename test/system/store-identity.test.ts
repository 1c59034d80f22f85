import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { type App, createApp, startApp } from '../helpers/start-app.ts'
import { adminToken, betweenSweeps, cleanUp, startRoles } from '../helpers/start-roles.ts'
import { fill, putFile } from '../helpers/stored-links.ts'
import { until } from '../helpers/until.ts'

const marker = '.tgdepot-store'
const owner = 9000

const emptyDatabase = (app: App) => rm(join(app.dir, 'db'), { recursive: true })

/** Starts the app and returns the sentence with which it refuses. */
async function refusal(app: App): Promise<string> {
  app.spawn()
  if ((await app.ended()) !== 1) throw new Error(`it did not refuse:\n${app.output}`)
  return app.lines.at(-1)?.message ?? ''
}

test.serial(
  'an empty database never touches a store with files: the start says what to look at',
  async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api, roles: ['bot'] })
    const files = await fill(app, 30)
    await app.kill('SIGTERM')
    await emptyDatabase(app)
    t.regex(
      await refusal(app),
      /holds files, but this database knows no store.*DATABASE_URL.*tgdepot accept-store/,
    )
    t.deepEqual((await app.stored()).sort(), files.sort())
  },
)

test.serial(
  'a store of another database is refused, and the owner may say that it belongs to this one',
  async (t) => {
    await using api = await startBotApi()
    await using one = await startApp({ api, roles: ['bot'] })
    await fill(one, 3)
    await one.kill('SIGTERM')
    await using other = await startApp({ api, roles: ['bot'] })
    await other.kill('SIGTERM')
    await using mixed = await createApp({
      api,
      roles: ['bot'],
      dir: other.dir,
      env: { STORAGE_PATH: one.storage },
    })
    t.regex(await refusal(mixed), /is the store of another database/)
    t.regex(await mixed.command('accept-store'), /is the store of this database from now on/)
    await mixed.start()
    t.is((await mixed.stored()).length, 3)
  },
)

test.serial('a crash between the two steps of the first installation is got over', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api, roles: ['bot'] })
  await mkdir(app.storage)
  await writeFile(join(app.storage, marker), '6f1ed002-ab5e-4aa1-8dcb-0b6a1c0fd3c5\n')
  await app.start()
  t.is(app.sql('SELECT id FROM store')[0]?.id, '6f1ed002-ab5e-4aa1-8dcb-0b6a1c0fd3c5')
})

test.serial('the marker is made once, readable for nginx, and a restart finds it', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  const [path, before] = [join(app.storage, marker), await readFile(join(app.storage, marker), 'utf8')]
  t.is((await stat(path)).mode & 0o777, 0o644)
  await app.restart()
  t.is(await readFile(path, 'utf8'), before)
})

/** As the version before left it: links and files, and no ids. */
async function forgetIds(app: App): Promise<void> {
  app.sql('DELETE FROM store')
  await rm(join(app.storage, marker))
}

test.serial('a store of the version before is taken over when the links are really there', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  await fill(app, 5)
  await app.kill('SIGTERM')
  await forgetIds(app)
  await app.start()
  t.is(app.sql('SELECT id FROM store').length, 1)
  t.is((await app.stored()).length, 5)
})

test.serial(
  'a store of the version before with one file, of a job that had no time to record it, is taken over',
  async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api, roles: ['bot'] })
    await api.settings({ download_bytes_per_second: 0 })
    await api.sendFile()
    const [job] = await until('the job is there', () => {
      const jobs = app.sql<{ subject: string }>('SELECT subject FROM jobs')
      return jobs.length === 1 && jobs
    })
    await app.kill('SIGKILL')
    await forgetIds(app)
    app.sql('UPDATE jobs SET subject = NULL')
    await putFile(app, String(job?.subject))
    await app.start()
    t.is(app.sql('SELECT id FROM store').length, 1)
  },
)

test.serial(
  'a crash between the two steps of an upgrade is got over when all links have ended',
  async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api, roles: ['bot'] })
    await fill(app, 2, Date.now() - 60_000)
    await app.kill('SIGTERM')
    app.sql('DELETE FROM store')
    await app.start()
    t.is(app.sql('SELECT id FROM store').length, 1)
  },
)

test.serial('files of others beside the links of this database are a stranger’s store', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  const files = await fill(app, 2)
  await app.kill('SIGTERM')
  await forgetIds(app)
  for (const uuid of files) await rm(join(app.storage, uuid.slice(0, 2), uuid))
  await putFile(app)
  t.regex(await refusal(app), /not one of those that this database has links to/)
  t.is((await app.stored()).length, 1)
})

for (const withIds of [true, false]) {
  const title = withIds ? 'a store that is not mounted' : 'a store of the version before that is not mounted'
  test.serial(`${title} is waited for, nothing is made in its place, and it is taken up again`, async (t) => {
    t.timeout(90_000)
    await using api = await startBotApi()
    const env = { ADMIN_USERS: String(owner), ALLOWED_USERS: '1' }
    await using app = await startApp({ api, env })
    await api.sendText('/start', { from: { id: owner } })
    const { path, uuid } = await linkFor(api, await api.sendFile({ from: { id: 1 } }))
    await app.kill('SIGTERM')
    if (!withIds) await forgetIds(app)
    const away = join(app.dir, 'away')
    await rename(app.storage, away)
    await mkdir(app.storage)
    await app.start()
    t.is((await app.get(path)).status, 503)
    t.regex((await app.get(path)).text, /cannot be reached/)
    t.is((await app.get('/download/00000000-0000-4000-8000-000000000000')).status, 404)
    const health = await until('health says so', async () => {
      const { status, text } = await app.get('/health')
      const { store } = JSON.parse(text).parts
      return status === 503 && store.detail === 'not there'
    })
    t.true(health)
    await api.waitForMessage(owner, ({ text }) => /folder of the files is not there/.test(text ?? ''), 30_000)
    const waiting = await api.sendFile({ from: { id: 1 }, seed: 'later' })
    await api.waitForMessage(1, (said) => said.reply_to_message_id === waiting.message_id)
    t.is(app.sql(`SELECT 1 FROM jobs WHERE status = 'QUEUED'`).length, 1)
    t.deepEqual(await app.stored(), [])
    t.deepEqual(await readdir(app.storage), [])
    t.is(app.sql('SELECT uuid FROM links WHERE missing_at IS NOT NULL OR removed_at IS NOT NULL').length, 0)
    await rm(app.storage, { recursive: true })
    await rename(away, app.storage)
    await linkFor(api, waiting, 30_000)
    t.is((await app.get(path)).status, 200)
    t.true((await app.stored()).includes(uuid))
    await until('health is well', async () => (await app.get('/health')).status === 200, 30_000)
    await api.waitForMessage(owner, ({ text }) => /is there again/.test(text ?? ''), 30_000)
  })
}

test.serial('a store that goes away while it runs loses no link and takes no file', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { ADMIN_TOKEN: adminToken })
  const { bot, web } = roles
  const { path } = await linkFor(api, await api.sendFile())
  await betweenSweeps()
  const old = await fill(bot, 2, 1)
  const away = join(roles.dir, 'away')
  await rename(bot.storage, away)
  // As another disk in its place: with folders, and without the marker.
  for (const shard of ['00', 'ab', 'ff']) await mkdir(join(bot.storage, shard), { recursive: true })
  const cleaned = await cleanUp(web)
  t.like(cleaned, { missing: 0, orphans: 0, expired: { links: 0 } })
  t.is((await web.get(path)).status, 503)
  t.is(bot.sql('SELECT uuid FROM links WHERE missing_at IS NOT NULL OR removed_at IS NOT NULL').length, 0)
  const sent = await api.sendFile({ seed: 'meanwhile' })
  await until('its job is there', () => bot.sql(`SELECT 1 FROM jobs WHERE status = 'QUEUED'`).length === 1)
  await rm(bot.storage, { recursive: true })
  await rename(away, bot.storage)
  await linkFor(api, sent, 30_000)
  t.is((await web.get(path)).status, 200)
  // By this run, or by the one of the minute before it.
  await cleanUp(web)
  t.is(bot.sql('SELECT uuid FROM links WHERE removed_at IS NOT NULL').length, old.length)
})
