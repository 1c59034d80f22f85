import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import base from 'ava'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { FakeClock, hasFakeClock } from '../helpers/fake-clock.ts'
import { type App, createApp } from '../helpers/start-app.ts'
import { fill, putFile, timeServer } from '../helpers/stored-links.ts'
import { until } from '../helpers/until.ts'

const test = hasFakeClock ? base : base.skip
const day = 86_400
const owner = 9000

/** A bot that lives by a clock of its own, which is right at first. */
async function openApp(api: StandIn): Promise<{ app: App; clock: FakeClock }> {
  const env = { ADMIN_USERS: String(owner), EXPIRED_GRACE_MINUTES: '0', MIN_FREE_DISK: '1000000' }
  const app = await createApp({ api, env })
  const clock = new FakeClock(app.dir)
  await clock.set(0)
  const path = await timeServer(app, false)
  await app.start({ ...clock.env, PATH: path })
  await api.sendText('/start', { from: { id: owner } })
  return { app, clock }
}

const start = async (app: App, clock: FakeClock, follows = false) =>
  await app.start({ ...clock.env, PATH: await timeServer(app, follows) })

const jumped = (app: App) => app.log(({ message }) => message === 'the clock jumped')

/** Links that end in a day, a file in the quarantine since yesterday, and an old job. */
async function furnish(app: App): Promise<void> {
  await fill(app, 3, Date.now() + day * 1000)
  const uuid = await putFile(app)
  const yesterday = new Date(Date.now() - day * 1000).toISOString().slice(0, 10)
  const folder = join(app.storage, 'quarantine', yesterday, uuid.slice(0, 2))
  await mkdir(folder, { recursive: true })
  await rename(join(app.storage, uuid.slice(0, 2), uuid), join(folder, uuid))
}

async function detailOf(app: App): Promise<string> {
  return JSON.parse((await app.get('/health')).text).parts.clock.detail
}

/** Waits until every sweep that goes by age has had its turn. */
async function afterSweeps(app: App): Promise<void> {
  const begun = Date.now()
  await until('a minute of sweeps is over', () => Date.now() - begun > 61_000, 70_000)
  if (app.lines.length === 0) throw new Error('it does not run')
}

test('started 31 days ahead, nothing is removed until the owner confirms the clock', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await furnish(app)
  await app.kill('SIGTERM')
  await clock.set(31 * day)
  await start(app, clock)
  await jumped(app)
  await afterSweeps(app)
  t.is((await app.stored()).length, 3)
  t.is((await app.setAside()).length, 1)
  t.is(app.sql('SELECT 1 FROM links WHERE removed_at IS NOT NULL').length, 0)
  t.regex(await detailOf(app), /31 days ahead: nothing is removed/)
  t.is((await app.get('/health')).status, 200)
  await api.waitForMessage(owner, ({ text }) => /clock jumped.*tgdepot confirm-clock/.test(text ?? ''))
  // A restart confirms nothing.
  await app.kill('SIGKILL')
  await start(app, clock)
  await afterSweeps(app)
  t.is((await app.stored()).length, 3)
  const { messages } = await api.chat(owner)
  t.is(messages.filter(({ text }) => /clock jumped/.test(text ?? '')).length, 1)
  t.regex(await app.command('confirm-clock', clock.env), /from now on files are removed/)
  await until('the links’ bytes are gone', async () => (await app.stored()).length === 0, 75_000)
  await until('and so is what was set aside', async () => (await app.setAside()).length === 0, 75_000)
})

test('a clock that is wrong at the upgrade from a release that recorded no time removes nothing', async (t) => {
  t.timeout(150_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await furnish(app)
  await until('its health was reported', () => app.sql('SELECT 1 FROM health').length > 0)
  await app.kill('SIGTERM')
  app.sql('DROP TABLE clock')
  app.sql(`DELETE FROM migrations WHERE name LIKE 'clock-%'`)
  await clock.set(31 * day)
  await start(app, clock)
  await jumped(app)
  await afterSweeps(app)
  t.is((await app.stored()).length, 3)
})

test('a clock that comes back removes nothing and is trusted again', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await furnish(app)
  await clock.set(400 * day)
  await jumped(app)
  await clock.set(0)
  await app.log(({ message }) => message === 'the clock is trusted again')
  t.is((await app.stored()).length, 3)
  t.is(await until('health says so', async () => (await detailOf(app)) === 'as it should be' && 1), 1)
})

test('a clock that follows a time server is believed at once', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await furnish(app)
  await app.kill('SIGTERM')
  await clock.set(31 * day)
  await start(app, clock, true)
  t.is((await app.log(({ message }) => message === 'the clock is confirmed')).by, 'NTP')
  await until('the links’ bytes are gone', async () => (await app.stored()).length === 0, 75_000)
})

test('a jump while it runs is noticed before anything goes by it', async (t) => {
  t.timeout(150_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await furnish(app)
  // At the very moment of the sweep, the clock has not been looked at since.
  await until('a sweep is about to come', () => Date.now() % 60_000 > 59_000, 61_000)
  await clock.set(31 * day)
  await jumped(app)
  await afterSweeps(app)
  t.is((await app.stored()).length, 3)
})

test('with a clock set back while it was off, what waits goes on, and a link made then lasts its time', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await api.fault({ method: 'getFile', error: { error_code: 500, description: 'Internal' } })
  const sent = await api.sendFile({ from: { id: 1 } })
  await until('it waits for its next try', () =>
    app.sql(`SELECT 1 FROM jobs WHERE status = 'QUEUED' AND attempts = 1`).length === 1 ? 1 : 0,
  )
  await app.kill('SIGTERM')
  await api.clearFaults()
  await clock.set(-20 * day)
  await start(app, clock)
  await linkFor(api, sent, 40_000)
  const [link] = app.sql<{ expires_at: number }>('SELECT expires_at FROM links')
  t.true(Number(link?.expires_at) > Date.now() + 29 * day * 1000)
})

test('while the clock lags nothing is set aside, so that no date of entry is too old when it is right again', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  const { app, clock } = await openApp(api)
  await using _ = app
  await app.kill('SIGTERM')
  await clock.set(-20 * day)
  await start(app, clock)
  await jumped(app)
  const uuid = await putFile(app)
  const error = await t.throwsAsync(app.command('set-aside', clock.env))
  t.regex(String(error), /clock jumped.*confirm-clock/)
  await afterSweeps(app)
  t.deepEqual(await app.stored(), [uuid])
  await clock.set(0)
  await app.log(({ message }) => message === 'the clock is trusted again')
  await until('it is set aside', async () => (await app.setAside()).length === 1, 75_000)
  const today = new Date().toISOString().slice(0, 10)
  t.deepEqual(await readdir(join(app.storage, 'quarantine')), [today])
})

test('a file set aside by a clock that lags, which nobody could know, is kept for its days when it is right', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  const app = await createApp({ api, env: { MIN_FREE_DISK: '1000000' } })
  await using _ = app
  const clock = new FakeClock(app.dir)
  // As of a machine without a battery, before it has found its time server.
  await clock.set(-20 * day)
  await start(app, clock)
  const uuid = await putFile(app)
  t.regex(await app.command('set-aside', clock.env), /^1 file that nobody knows/)
  await clock.set(0)
  await jumped(app)
  await app.command('confirm-clock', clock.env)
  await app.log(({ message }) => message === 'the clock is confirmed')
  await afterSweeps(app)
  t.deepEqual(await app.setAside(), [uuid])
  await app.kill('SIGTERM')
  await start(app, clock)
  await afterSweeps(app)
  t.deepEqual(await app.setAside(), [uuid])
})

for (const [title, hasRun] of [
  ['while it runs', true],
  ['while it is stopped', false],
] as const) {
  test(`a clock set 40 days forward ${title} makes no file wait longer, by what /health says after a restart`, async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    // Files wait for room.
    const app = await createApp({ api, env: { MIN_FREE_DISK: '99%' } })
    await using _ = app
    const clock = new FakeClock(app.dir)
    await clock.set(0)
    await start(app, clock)
    await api.sendFile({ from: { id: 1 } })
    const detail = async () => JSON.parse((await app.get('/health')).text).parts.queue.detail
    const isSaid = () => until('it is told', async () => /^1 waiting/.test(await detail()), 20_000)
    await isSaid()
    if (!hasRun) await app.kill('SIGTERM')
    await clock.set(40 * day)
    if (hasRun) {
      await jumped(app)
      await app.kill('SIGTERM')
    }
    app.sql('DELETE FROM health')
    await start(app, clock)
    await isSaid()
    t.is(await detail(), '1 waiting, the oldest for less than a minute')
  })
}
