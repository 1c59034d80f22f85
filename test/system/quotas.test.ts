import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import test from 'ava'
import { storeSettings } from '../../app/store/index.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { disagreements } from '../helpers/consistency.ts'
import { type JobsFixture, openJobs } from '../helpers/open-jobs.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { betweenSweeps, cleanUp, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

type Kept = { user: number; content: string; size?: number }

async function link(desk: JobsFixture, { user, content, size = 1000 }: Kept): Promise<string> {
  const uuid = randomUUID()
  await desk.links().create({
    uuid,
    userId: user,
    name: 'file',
    mimeType: 'text/plain',
    size,
    fileUniqueId: content,
    source: { botId: 1, fileId: 'id', chatId: user, messageId: 1 },
    expiresAt: null,
  })
  return uuid
}

test('shared content counts once for the store, and for each of its owners in full', async (t) => {
  await using desk = await openJobs()
  const { usage } = desk.links()
  await link(desk, { user: 1, content: 'a' })
  await link(desk, { user: 1, content: 'a' })
  await link(desk, { user: 2, content: 'a' })
  await link(desk, { user: 2, content: 'b', size: 50 })
  t.is(await usage.ofStore(), 1050)
  t.is(await usage.ofUser(1), 2000)
  t.is(await usage.ofUser(2), 1050)
})

test('the last but one to go leaves the store’s bytes, the last frees them', async (t) => {
  await using desk = await openJobs()
  const links = desk.links()
  const first = await link(desk, { user: 1, content: 'a' })
  const last = await link(desk, { user: 2, content: 'a' })
  t.is(await links.markRemoved([first]), 1000)
  t.deepEqual([await links.usage.ofStore(), await links.usage.ofUser(1)], [1000, 0])
  await links.markRemoved([last])
  t.deepEqual([await links.usage.ofStore(), await links.usage.ofUser(2)], [0, 0])
  await link(desk, { user: 3, content: 'a' })
  t.is(await links.usage.ofStore(), 1000)
})

test('a link that is recorded or removed a second time counts once', async (t) => {
  await using desk = await openJobs()
  const links = desk.links()
  const uuid = await link(desk, { user: 1, content: 'a' })
  t.is(await links.markRemoved([uuid, uuid]), 1000)
  t.is(await links.markRemoved([uuid]), 0)
  t.deepEqual([await links.usage.ofStore(), await links.usage.ofUser(1)], [0, 0])
})

test('what is left, of the user’s and of the store’s', async (t) => {
  await using desk = await openJobs()
  await link(desk, { user: 1, content: 'a' })
  t.deepEqual(await desk.links({ user: 1500, store: 1200 }).remainingQuota(1), { user: 500, store: 200 })
  const endless = Number.POSITIVE_INFINITY
  t.deepEqual(await desk.links().remainingQuota(1), { user: endless, store: endless })
})

test.serial('a file above a quota is refused with which limit it is and how much is left', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { USER_QUOTA: '50000', STORAGE_QUOTA: '60000' })
  await linkFor(api, await api.sendFile({ size: 40_960, seed: 'first' }))
  const more = await api.sendFile({ size: 20_000, seed: 'second' })
  const user = await api.waitForMessage(more.chat_id, ({ text }) => /was not taken/.test(text ?? ''))
  t.regex(user.text ?? '', /your quota has 9 kB left/)
  const { chat_id } = await api.sendFile({ from: { id: 2 }, size: 30_000, seed: 'third' })
  const store = await api.waitForMessage(chat_id, ({ text }) => /was not taken/.test(text ?? ''))
  t.regex(store.text ?? '', /this bot's quota has 19 kB left/)
  await linkFor(api, await api.sendFile({ from: { id: 2 }, size: 19_000, seed: 'fourth' }))
  t.deepEqual(await disagreements(roles.bot), [])
})

test.serial('a known file costs the store nothing, but its new owner’s quota', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using _roles = await startRoles(api, { USER_QUOTA: '50000', STORAGE_QUOTA: '45000' })
  const file = { size: 40_000, seed: 'shared', unique_id: 'shared' }
  await linkFor(api, await api.sendFile({ from: { id: 1 }, ...file }))
  await linkFor(api, await api.sendFile({ from: { id: 2 }, ...file }))
  const { chat_id } = await api.sendFile({ from: { id: 2 }, ...file })
  const refused = await api.waitForMessage(chat_id, ({ text }) => /was not taken/.test(text ?? ''))
  t.regex(refused.text ?? '', /your quota has 10 kB left/)
})

test.serial('what is removed makes room again', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { USER_QUOTA: '50000' })
  await linkFor(api, await api.sendFile({ size: 40_000, seed: 'old' }))
  await betweenSweeps()
  roles.bot.sql('UPDATE links SET expires_at = 1')
  t.like(await cleanUp(roles.web), { expired: { links: 1, bytes: 40_000 } })
  await linkFor(api, await api.sendFile({ size: 45_000, seed: 'new' }))
  t.deepEqual(await disagreements(roles.bot), [])
})

const gibibyte = 2 ** 30
const floor = (text?: string) => storeSettings.parse({ MIN_FREE_DISK: text }).MIN_FREE_DISK

test('MIN_FREE_DISK is a share of the disk and at least 1 GiB, or bytes', (t) => {
  t.is(floor()(100 * gibibyte), 5 * gibibyte)
  t.is(floor()(10 * gibibyte), gibibyte)
  t.is(floor('10%')(100 * gibibyte), 10 * gibibyte)
  t.is(floor('0%')(100 * gibibyte), gibibyte)
  t.is(floor('5000000')(100 * gibibyte), 5_000_000)
  for (const wrong of ['100%', '-1', '5 %', '1G', '1.5%', 'much']) {
    t.throws(() => floor(wrong), { message: /must be a percentage like 5%, or bytes/ }, wrong)
  }
})

const asRoot = process.getuid?.() === 0 ? test.serial : test.serial.skip

asRoot('promises survive a restart: what was accepted is not given away twice', async (t) => {
  t.timeout(60_000)
  await using disk = await mountSmallDisk(100)
  await using api = await startBotApi()
  await using roles = await startRoles(api, {}, join(disk.folder, 'depot'))
  await api.settings({ download_bytes_per_second: 0 })
  await api.sendFile({ size: 45_000_000, seed: 'promised' })
  await api.waitForMessage(1001, ({ text }) => /The link comes here/.test(text ?? ''))
  await roles.bot.restart('SIGKILL')
  const { chat_id } = await api.sendFile({ from: { id: 2 }, size: 45_000_000, seed: 'too much' })
  await api.waitForMessage(chat_id, ({ text }) => /was not taken: the server has room for/.test(text ?? ''))
  t.is(roles.bot.sql('SELECT id FROM jobs').length, 1)
})

test.serial('USER_QUOTA holds for known content too, however much of it is asked for at once', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { USER_QUOTA: '1000000' })
  const { bot } = roles
  const file = { size: 400_000, seed: 'shared', unique_id: 'shared' }
  await linkFor(api, await api.sendFile({ from: { id: 1 }, ...file }))
  await bot.kill('SIGTERM')
  // All of them are taken in one go.
  for (let copy = 0; copy < 6; copy++) await api.sendFile({ from: { id: 2 }, ...file, name: `copy ${copy}` })
  await bot.start()
  await until('all are answered', async () => {
    const said = (await saidIn(api, 2)).join('\n')
    return [0, 1, 2, 3, 4, 5].every((copy) => said.includes(`copy ${copy} `))
  })
  await until(
    'all have ended',
    () => bot.sql(`SELECT 1 FROM jobs WHERE status NOT IN ('COMPLETED', 'FAILED')`).length === 0,
  )
  t.deepEqual(bot.sql('SELECT COUNT(*) AS links, SUM(size) AS bytes FROM links WHERE user_id = 2'), [
    { links: 2, bytes: 800_000 },
  ])
  const refused = (await saidIn(api, 2)).filter((text) => /your quota/.test(text)).join('\n')
  t.is(refused.match(/copy \d/g)?.length, 4)
})

test.serial(
  'a quota that was lowered while a file was on its way holds where the link is made',
  async (t) => {
    t.timeout(60_000)
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const { bot } = roles
    const known = { size: 300_000, seed: 'known', unique_id: 'known' }
    await linkFor(api, await api.sendFile({ from: { id: 1 }, ...known }))
    await api.settings({ download_bytes_per_second: 1000 })
    await api.sendFile({ from: { id: 2 }, size: 300_000, seed: 'new' })
    await until('it runs', () => bot.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length === 1)
    await bot.kill('SIGTERM')
    await api.sendFile({ from: { id: 3 }, ...known })
    await bot.start({ USER_QUOTA: '250000' })
    await api.settings({ download_bytes_per_second: null })
    await api.waitForMessage(2, ({ text }) => /quota has no room left for this file/.test(text ?? ''))
    await api.waitForMessage(3, ({ text }) => /was not taken: your quota/.test(text ?? ''))
    t.like(bot.sql(`SELECT status, error_type FROM jobs WHERE user_id = 2`)[0], {
      status: 'FAILED',
      error_type: 'QUOTA',
    })
    t.is((await bot.stored()).length, 1)
    t.deepEqual(await disagreements(bot), [])
  },
)

test.serial('STORAGE_QUOTA counts what runs in full, also the part of it that has come', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { STORAGE_QUOTA: '1000000' })
  const { bot } = roles
  await api.settings({ download_bytes_per_second: 300_000 })
  const first = await api.sendFile({ from: { id: 1 }, size: 900_000, seed: 'first' })
  await until(
    'most of it has come',
    async () => Number((await api.state()).bots[0]?.downloads[0]?.received) > 300_000,
  )
  await api.sendFile({ from: { id: 2 }, size: 200_000, seed: 'second' })
  await api.waitForMessage(2, ({ text }) => /was not taken: this bot's quota/.test(text ?? ''))
  await linkFor(api, first)
  t.deepEqual(bot.sql('SELECT bytes FROM link_usage WHERE owner = 0'), [{ bytes: 900_000 }])
})
