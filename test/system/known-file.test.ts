import { createHash, randomUUID } from 'node:crypto'
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Store, storeSettings } from '../../app/store/index.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, linkIn } from '../helpers/chat.ts'
import { disagreements } from '../helpers/consistency.ts'
import { openJobs } from '../helpers/open-jobs.ts'
import type { App } from '../helpers/start-app.ts'
import { cleanUp, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const inode = async ({ storage }: App, uuid: string) => await stat(join(storage, uuid.slice(0, 2), uuid))

test.serial(
  'a known file has its link at once, without a transfer or a copy, past one that runs',
  async (t) => {
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const file = { seed: 'known', unique_id: 'known', size: 200_000 }
    const first = await linkFor(api, await api.sendFile(file))
    await api.settings({ download_bytes_per_second: 0 })
    await api.sendFile({ from: { id: 2 }, size: 1_000_000, seed: 'long' })
    await until('a transfer is under way', async () => (await api.state()).bots[0]?.downloads.length === 1)
    const fetched = (await api.calls('getFile')).length
    const sent = await api.sendFile({ from: { id: 3 }, ...file, name: 'other name.bin' })
    const second = await linkFor(api, sent, 5000)
    t.not(second.uuid, first.uuid)
    t.is((await api.calls('getFile')).length, fetched)
    const [a, b] = [await inode(roles.bot, first.uuid), await inode(roles.bot, second.uuid)]
    t.is(a.ino, b.ino)
    t.is(a.nlink, 2)
    const { headers, body } = await roles.web.get(second.path)
    t.is(createHash('sha256').update(body).digest('hex'), sent.sha256 as string)
    t.regex(String(headers['content-disposition']), /other name\.bin/)
  },
)

test.serial('the last but one link to go leaves the bytes, the last frees them', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  const file = { seed: 'shared', unique_id: 'shared' }
  const first = await linkFor(api, await api.sendFile({ from: { id: 1 }, ...file }))
  const second = await linkFor(api, await api.sendFile({ from: { id: 2 }, ...file }))
  bot.sql(`UPDATE links SET expires_at = 1 WHERE uuid = '${first.uuid}'`)
  await cleanUp(web)
  t.is((await web.get(first.path)).status, 404)
  t.is((await web.get(second.path)).status, 200)
  t.is((await inode(bot, second.uuid)).nlink, 1)
  bot.sql('UPDATE links SET expires_at = 1')
  await cleanUp(web)
  t.deepEqual(await bot.stored(), [])
  t.deepEqual(await disagreements(bot), [])
  const fetched = (await api.calls('getFile')).length
  await linkFor(api, await api.sendFile({ from: { id: 3 }, ...file }))
  t.is((await api.calls('getFile')).length, fetched + 1)
})

for (const lanes of ['1', '3']) {
  test.serial(
    `a file sent by several people at the same time is fetched once (FETCHES_PER_BOT=${lanes})`,
    async (t) => {
      t.timeout(60_000)
      await using api = await startBotApi()
      await using roles = await startRoles(api, { FETCHES_PER_BOT: lanes, RETRY_DELAYS: '1,1,1' })
      await api.settings({ download_bytes_per_second: 2_000_000 })
      const file = { seed: 'hot', unique_id: 'hot', size: 1_500_000 }
      const sent = await Promise.all([1, 2, 3].map((id) => api.sendFile({ from: { id }, ...file })))
      const links = await Promise.all(sent.map((message) => linkFor(api, message, 30_000)))
      const inodes = new Set(
        await Promise.all(links.map(async ({ uuid }) => (await inode(roles.bot, uuid)).ino)),
      )
      t.is(inodes.size, 1)
      await cleanUp(roles.web)
      t.deepEqual(await disagreements(roles.bot), [])
      for (const { path } of links) {
        const { body } = await roles.web.get(path)
        t.is(createHash('sha256').update(body).digest('hex'), sent[0]?.sha256 as string)
      }
    },
  )
}

test.serial('the same message under another update id makes no second job', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const sent = await api.sendFile()
  await linkFor(api, sent)
  // As after a move to another server: the update comes again, under a number that is not known.
  const [row] = roles.bot.sql<{ bot_id: number; update_id: number }>('SELECT bot_id, update_id FROM updates')
  const message = {
    message_id: sent.message_id,
    date: 1,
    chat: { id: sent.chat_id, type: 'private' },
    from: { id: sent.chat_id, is_bot: false, first_name: 'Ann' },
    document: { file_id: 'x', file_unique_id: 'y', file_size: 5 },
  }
  const body = JSON.stringify({ update_id: (row?.update_id ?? 0) + 1, message })
  const sql = 'INSERT INTO updates (bot_id, update_id, body, received_at) VALUES (?, ?, ?, 1)'
  roles.bot.sql(sql, row?.bot_id ?? 0, (row?.update_id ?? 0) + 1, body)
  await until(
    'it is handled',
    () => roles.bot.sql('SELECT 1 FROM updates WHERE handled_at IS NULL').length === 0,
  )
  t.is(roles.bot.sql('SELECT id FROM jobs').length, 1)
  const { messages } = await api.chat(sent.chat_id)
  t.is(messages.filter((message) => message.from.is_bot && linkIn(message)).length, 1)
})

test('more links than an inode can have names: a copy is made and takes the next ones', async (t) => {
  t.timeout(120_000)
  await using desk = await openJobs()
  const settings = storeSettings.parse({ STORAGE_PATH: join(desk.dir, 'store') })
  const store = new Store(settings, desk.log)
  store.attach(desk.database)
  await store.open(async () => ({ any: false, sample: [], knowAny: async () => false }))
  const first = randomUUID()
  await writeFile(store.pathOf(first), 'the bytes')
  const names = join(desk.dir, 'names')
  await mkdir(names)
  // As many names as the file system gives; ext4 allows 65 000, others more than anyone waits for.
  let full = false
  for (let name = 0; name < 66_000 && !full; name += 500) {
    const made = await Promise.allSettled(
      Array.from({ length: 500 }, (_, at) => link(store.pathOf(first), join(names, `${name + at}`))),
    )
    full = made.some(({ status }) => status === 'rejected')
  }
  if (!full) return t.log('this file system gives more than 66 000 names: not tried')
  const [second, third] = [randomUUID(), randomUUID()]
  t.true(await store.linkExisting(first, second, 9))
  t.true(await store.linkExisting(second, third, 9))
  const [a, b, c] = await Promise.all([first, second, third].map((uuid) => stat(store.pathOf(uuid))))
  t.not(a?.ino, b?.ino)
  t.is(b?.ino, c?.ino)
  t.is(b?.nlink, 2)
  t.is(b?.size, a?.size)
  t.true(desk.lines.some((line) => line.code === 'EMLINK'))
  await rm(names, { recursive: true })
})
