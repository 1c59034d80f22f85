import { createHash } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type Sent, type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkFor, linkIn, saidIn } from '../helpers/chat.ts'
import { disagreements } from '../helpers/consistency.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { type Roles, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const isRoot = process.getuid?.() === 0
const megabyte = 1_000_000
const owner = 9000

/** Downloads every file that has a link and compares it; returns how many there are. */
async function checkServed(api: StandIn, { web }: Roles, sent: Sent[]): Promise<number> {
  let served = 0
  for (const { chat_id, message_id, sha256 } of sent) {
    const { messages } = await api.chat(chat_id)
    const found = messages.find((message) => message.reply_to_message_id === message_id && linkIn(message))
    const link = found && linkIn(found)
    if (!link) continue
    const { status, body } = await web.get(link.path)
    if (status !== 200) throw new Error(`${link.path} answers ${status}`)
    if (createHash('sha256').update(body).digest('hex') !== sha256)
      throw new Error(`${link.path} is not whole`)
    served++
  }
  return served
}

const fullDisk = isRoot ? test : test.skip

fullDisk('a file that comes while another program has filled the disk waits, unasked for', async (t) => {
  t.timeout(120_000)
  await using disk = await mountSmallDisk(100)
  await using api = await startBotApi()
  const env = { MIN_FREE_DISK: String(30 * megabyte), ADMIN_USERS: String(owner), ALLOWED_USERS: '1' }
  await using roles = await startRoles(api, env, join(disk.folder, 'depot'))
  await api.sendText('/start', { from: { id: owner } })
  await disk.fill(20 * megabyte)
  const sent = await api.sendFile({ from: { id: 1 }, size: megabyte, seed: 'patient' })
  await api.waitForMessage(1, ({ text }) => /Your file waits/.test(text ?? ''))
  await api.waitForMessage(owner, ({ text }) => /nearly full.*New files wait/.test(text ?? ''), 30_000)
  t.deepEqual(await api.calls('getFile'), [])
  t.deepEqual(roles.bot.sql('SELECT status, attempts FROM jobs'), [{ status: 'QUEUED', attempts: 0 }])

  const huge = await api.sendFile({ from: { id: 1 }, size: 95 * megabyte, seed: 'huge' })
  const refused = await api.waitForMessage(1, (said) => said.reply_to_message_id === huge.message_id)
  t.regex(
    refused.text ?? '',
    /was not taken: the server has no room left for it/,
    'it never will, whatever goes',
  )

  await disk.empty()
  await linkFor(api, sent, 30_000)
})

fullDisk(
  'a disk filled to the edge in the middle of transfers serves nothing half, and all goes on',
  async (t) => {
    t.timeout(240_000)
    await using disk = await mountSmallDisk(160)
    const elsewhere = await mkdtemp(join(tmpdir(), 'tgdepot-cloud-'))
    t.teardown(() => rm(elsewhere, { recursive: true, force: true }))
    await using api = await startBotApi({ dir: join(disk.folder, 'bot-api'), cloudDir: elsewhere })
    const users = { ADMIN_USERS: String(owner), ALLOWED_USERS: '1,2,3' }
    // One at a time, in their order.
    const env = { ...users, MIN_FREE_DISK: String(8 * megabyte), SMALL_FILE_SIZE: '0' }
    await using roles = await startRoles(api, env, join(disk.folder, 'depot'))
    const { bot, web } = roles
    const reserve = async () => (await stat(`${bot.databaseFile}.reserve`).catch(() => undefined))?.size
    await until('the reserve of the database is held', async () => ((await reserve()) ?? 0) > 1)
    await api.sendText('/start', { from: { id: owner } })
    await api.settings({ download_bytes_per_second: 8 * megabyte })
    const sent: Sent[] = []
    for (const user of [1, 2, 1, 2, 1]) {
      sent.push(await api.sendFile({ from: { id: user }, size: 12 * megabyte, seed: `disk ${sent.length}` }))
    }
    await linkFor(api, sent[0] as Sent)
    // The other program is faster than Telegram.
    await api.settings({ download_bytes_per_second: megabyte })
    await until('a transfer is half done', async () => {
      const { bots } = await api.state()
      return bots.some(({ downloads }) => downloads.some(({ received }) => received > 4 * megabyte))
    })
    await disk.fill()
    t.log(`${await disk.free()} bytes free after the other program`)

    await api.waitForMessage(2, ({ text }) => /disk is full/.test(text ?? ''), 60_000)
    await api.waitForMessage(owner, ({ text }) => /disk is nearly full/.test(text ?? ''), 60_000)
    // What the server gave back of the file that broke off, it takes as well, but for what the database needs.
    const isIdle = async () => (await api.state()).bots.every(({ downloads }) => downloads.length === 0)
    await until('the server has given back what it had', isIdle, 60_000)
    await disk.fill(4 * megabyte)
    const late = await api.sendFile({ from: { id: 3 }, size: 2 * megabyte, seed: 'late' })
    await api.waitForMessage(3, ({ text }) => /Your file waits/.test(text ?? ''), 60_000)
    const health = await web.get('/health')
    t.is(health.status, 503)
    t.false(JSON.parse(health.text).parts.disk.ok)
    t.deepEqual(bot.sql('PRAGMA integrity_check'), [{ integrity_check: 'ok' }])
    const served = await checkServed(api, roles, sent)
    t.true(served >= 1 && served < sent.length, `${served} of ${sent.length} have links`)
    t.is(bot.sql(`SELECT id FROM jobs WHERE status = 'FAILED'`).length, 0)

    await disk.empty()
    await api.settings({ download_bytes_per_second: 8 * megabyte })
    for (const message of [...sent, late]) await linkFor(api, message, 60_000)
    t.is(await checkServed(api, roles, sent), sent.length)
    await api.waitForMessage(owner, ({ text }) => /has room again/.test(text ?? ''), 30_000)
    await until('the reserve is held again', async () => (await reserve()) === 16 * 2 ** 20, 30_000)
    await until('health is well', async () => (await web.get('/health')).status === 200, 30_000)
    const again = await api.sendFile({ from: { id: 3 }, size: 2 * megabyte, seed: 'later' })
    await linkFor(api, again, 30_000)
    t.is((await saidIn(api, 3)).length, 2, 'one answer for each of the two files')
    t.deepEqual(await disagreements(bot), [])
  },
)

fullDisk('a start on a disk without a byte of room gets by on the reserve', async (t) => {
  t.timeout(60_000)
  await using disk = await mountSmallDisk(64)
  await using api = await startBotApi()
  const env = { MIN_FREE_DISK: String(megabyte) }
  await using roles = await startRoles(api, env, join(disk.folder, 'depot'))
  const { bot, web } = roles
  const { path } = await linkFor(api, await api.sendFile())
  const reserve = async () => (await stat(`${bot.databaseFile}.reserve`).catch(() => undefined))?.size
  await until('the reserve is held', async () => (await reserve()) === 16 * 2 ** 20)
  // As for a boot: the last to close the database takes its -wal and -shm files away.
  await Promise.all([bot.kill('SIGTERM'), web.kill('SIGTERM')])
  await disk.fill()
  await web.start()
  t.is((await web.get(path)).status, 200, 'downloads do not wait for the bot')
  await bot.start()
  t.is((await web.get(path)).status, 200)
})
