import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { startApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const owner = 9001

const env = { ...wide, ADMIN_USERS: String(owner) }

/** Another program that has the write lock of a database for a while. */
async function lock(databaseFile: string, seconds: number): Promise<Promise<unknown>> {
  const program = `
    const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(process.argv[1], { timeout: 5000 })
    database.exec('BEGIN IMMEDIATE')
    process.stdout.write('locked')
    setTimeout(() => database.exec('COMMIT'), ${seconds * 1000})`
  const child = spawn(process.execPath, ['-e', program, databaseFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return once(child, 'exit')
}

const troubles = async (api: StandIn) => {
  const said = await saidIn(api, owner)
  return {
    begun: said.filter((text) => /has a problem with its disk or database/.test(text)),
    over: said.filter((text) => /problem \(\w+\) is over/.test(text)),
  }
}

for (const seconds of process.env.KILL_TEST === 'long' ? [7, 70] : [7, 25]) {
  test.serial(`a write lock that another program holds for ${seconds} s fails no file`, async (t) => {
    t.timeout(seconds * 1000 + 90_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, roles: ['bot'], env })
    await api.sendText('/start', { from: { id: owner } })
    await api.settings({ download_bytes_per_second: 200_000 })
    const sent = await Promise.all(
      [1, 2, 3].map((id) => api.sendFile({ from: { id }, size: 300_000, seed: id })),
    )
    await until('they run', () => app.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length === 3)
    await await lock(app.databaseFile, seconds)
    await Promise.all(sent.map((message) => linkFor(api, message, 60_000)))
    t.deepEqual(app.sql('SELECT status, attempts, crashes FROM jobs'), [
      ...Array.from({ length: 3 }, () => ({ status: 'COMPLETED', attempts: 1, crashes: 0 })),
    ])
    t.is(app.sql(`SELECT 1 FROM job_events WHERE event_type = 'JOB_RECOVERED_STALE'`).length, 0)
    t.true((await troubles(api)).begun.length <= 1)
    t.is(await app.kill('SIGTERM'), 0)
  })
}

test.serial(
  'a stop while another program holds the write lock hands the files back, and counts for no crash',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, roles: ['bot'], env })
    await api.settings({ download_bytes_per_second: 1000 })
    for (const id of [1, 2, 3]) await api.sendFile({ from: { id }, size: 300_000, seed: id })
    await until('they run', () => app.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length === 3)
    const free = lock(app.databaseFile, 9)
    await delay(500)
    const code = await app.kill('SIGTERM')
    await await free
    t.deepEqual(app.sql('SELECT DISTINCT status, attempts, crashes FROM jobs'), [
      { status: 'QUEUED', attempts: 0, crashes: 0 },
    ])
    t.is(code, 0)
  },
)

const asRoot = process.getuid?.() === 0 ? test.serial : test.skip

asRoot('a store that is read-only for a moment while 40 files arrive has 40 links afterwards', async (t) => {
  t.timeout(180_000)
  await using api = await startBotApi()
  await using disk = await mountSmallDisk(256)
  const STORAGE_PATH = join(disk.folder, 'store')
  await using app = await startApp({ api, env: { ...env, STORAGE_PATH } })
  const links = () => app.sql('SELECT 1 FROM links').length
  await api.sendText('/start', { from: { id: owner } })
  await api.settings({ download_bytes_per_second: 1_000_000 })
  const people = Array.from({ length: 40 }, (_, user) => 100 + user)
  const sent = await Promise.all(
    people.map((id) => api.sendFile({ from: { id }, size: 100_000 + id, seed: id, name: `${id}.bin` })),
  )
  await until('some are linked', () => links() >= 3)
  await disk.allowWriting(false)
  await app.log(({ message, what }) => message === 'it does not work: jobs wait' && what === 'machine')
  const told = await api.waitForMessage(owner, ({ text }) => /has a problem/.test(text ?? ''))
  t.regex(told.text ?? '', /\(E\w+\)/)
  t.notRegex(told.text ?? '', /\//)
  const waiting = app.sql<{ user_id: number }>(`SELECT user_id FROM jobs WHERE error_type = 'UNKNOWN'`)
  t.true(waiting.length > 0)
  for (const { user_id } of waiting) {
    await api.waitForMessage(user_id, ({ text }) => /goes on by itself when it is over/.test(text ?? ''))
  }
  const asked = (await api.calls('getFile')).length
  const before = links()
  const moment = performance.now()
  await until('it has lasted for a while', () => performance.now() - moment > 5000)
  t.deepEqual(app.sql(`SELECT 1 FROM jobs WHERE status = 'FAILED'`), [])
  t.is((await api.calls('getFile')).length, asked, 'nothing is begun while the disk takes nothing')

  await disk.allowWriting(true)
  await Promise.all(sent.map((message) => linkFor(api, message, 60_000)))
  t.is(links(), 40)
  t.true(before < 40)
  t.deepEqual(app.sql('SELECT DISTINCT status, attempts FROM jobs'), [{ status: 'COMPLETED', attempts: 1 }])
  await api.waitForMessage(owner, ({ text }) => /is over; it lasted/.test(text ?? ''), 30_000)
  const { begun, over } = await troubles(api)
  t.is(begun.length, 1)
  t.is(over.length, 1)
})

test.serial(
  'files that fail here while others get links have failed after their tries, and are no trouble of the machine any more',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, env: { ...env, RETRY_DELAYS: '0,0' } })
    await api.sendText('/start', { from: { id: owner } })
    await api.settings({ download_bytes_per_second: 1000 })
    for (const id of [1, 2]) await api.sendFile({ from: { id }, size: 30_000, seed: id })
    const payloads = await until('both have come', () => {
      const rows = app.sql<{ payload: string }>('SELECT payload FROM jobs')
      return rows.length === 2 && rows.map(({ payload }) => JSON.parse(payload) as { uuid: string })
    })
    for (const { uuid } of payloads) {
      await mkdir(join(app.storage, uuid.slice(0, 2), uuid, 'in the way'), { recursive: true })
    }
    await api.settings({ download_bytes_per_second: null })
    let others = 0
    await until(
      'both have failed',
      async () => {
        await linkFor(
          api,
          await api.sendFile({ from: { id: 10 + others }, size: 1000, seed: `other ${others}` }),
        )
        others++
        return app.sql(`SELECT 1 FROM jobs WHERE status = 'FAILED' AND user_id < 10`).length === 2
      },
      60_000,
    )
    for (const id of [1, 2]) {
      await api.waitForMessage(id, ({ text }) => /Something went wrong.*Press Retry/.test(text ?? ''))
    }
    await until(
      'the owner hears no more of it',
      async () => {
        const { begun, over } = await troubles(api)
        return begun.length === over.length
      },
      30_000,
    )
    t.true(others > 0)
  },
)

test.serial('a program that tidies empty folders away holds up no file', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  for (const folder of await readdir(app.storage)) await rmdir(join(app.storage, folder)).catch(() => {})
  const sent = await Promise.all([1, 2, 3].map((id) => api.sendFile({ from: { id }, seed: id })))
  for (const message of sent) await linkFor(api, message)
  t.deepEqual(app.sql('SELECT DISTINCT status, attempts FROM jobs'), [{ status: 'COMPLETED', attempts: 1 }])
})
