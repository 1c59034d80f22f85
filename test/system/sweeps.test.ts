import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { disagreements, serverCopies } from '../helpers/consistency.ts'
import { adminToken, betweenSweeps, cleanUp, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

test.serial(
  'a file in the store without a link is set aside, one with a job at work is left alone',
  async (t) => {
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const { bot, web } = roles
    await api.settings({ download_bytes_per_second: 0 })
    await api.sendFile()
    const payload = await until(
      'the job is there',
      () => bot.sql<{ payload: string }>('SELECT payload FROM jobs')[0],
    )
    const { uuid } = JSON.parse(payload.payload) as { uuid: string }
    await betweenSweeps()
    const orphan = randomUUID()
    const path = (name: string) => join(bot.storage, name.slice(0, 2), name)
    await writeFile(path(orphan), 'linked, and never recorded')
    await writeFile(path(uuid), 'of the job at work')
    t.is((await cleanUp(web)).orphans, 1)
    t.false(await exists(path(orphan)))
    t.true(await exists(path(uuid)))
    t.true(bot.lines.some((line) => line.uuid === orphan && line.level === 'warn'))
  },
)

test.serial(
  'a missing file is reported once, to the owner too, answers 404, and its link works again when it is back',
  async (t) => {
    const owner = 9000
    await using api = await startBotApi()
    await using roles = await startRoles(api, { ADMIN_USERS: String(owner) })
    await api.sendText('/start', { from: { id: owner } })
    const { bot, web } = roles
    const { uuid, path } = await linkFor(api, await api.sendFile())
    const file = join(bot.storage, uuid.slice(0, 2), uuid)
    await betweenSweeps()
    await rename(file, join(roles.dir, 'away'))
    t.is((await cleanUp(web)).missing, 1)
    t.is((await cleanUp(web)).missing, 0)
    t.is(bot.lines.filter((line) => line.message === 'the file of a link is missing').length, 1)
    const isOfIt = ({ text }: { text?: string }) => /files of 1 link,.*are not in the store/.test(text ?? '')
    await api.waitForMessage(owner, isOfIt)
    t.is((await api.chat(owner)).messages.filter(isOfIt).length, 1)
    t.is((await web.get(path)).status, 404)
    await rename(join(roles.dir, 'away'), file)
    await cleanUp(web)
    t.is((await web.get(path)).status, 200)
  },
)

test.serial('a missing file that is sent again is fetched anew', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const file = { seed: 'lost', unique_id: 'lost' }
  const { uuid } = await linkFor(api, await api.sendFile(file))
  await rename(join(roles.bot.storage, uuid.slice(0, 2), uuid), join(roles.dir, 'away'))
  const again = await linkFor(api, await api.sendFile(file))
  t.is((await roles.web.get(again.path)).status, 200)
})

test.serial('server copies go; its temp, its session and its queue are never touched', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await linkFor(api, await api.sendFile())
  const folder = join(api.dir, api.token)
  const old = new Date(Date.now() - 26 * 3_600_000)
  const kept = [join(folder, 'temp', '77'), join(folder, 'td.binlog'), join(folder, 'db.sqlite')]
  kept.push(join(api.dir, 'tqueue.binlog'))
  for (const path of kept) if (!(await exists(path))) await writeFile(path, 'not ours')
  for (const path of kept.slice(0, 3)) await utimes(path, old, old)
  await betweenSweeps()
  await mkdir(join(folder, 'documents'), { recursive: true })
  await writeFile(join(folder, 'documents', 'file_99.bin'), Buffer.alloc(5000))
  t.deepEqual((await cleanUp(roles.web)).leftovers, { files: 1, bytes: 5000 })
  t.deepEqual(await serverCopies(api), [])
  for (const path of kept) t.true(await exists(path), path)
})

test.serial('a fresh server copy is left alone while there is work, an old one is not', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await api.settings({ download_bytes_per_second: 0 })
  await api.sendFile()
  await until('a transfer is under way', async () => (await api.state()).bots[0]?.downloads.length === 1)
  await betweenSweeps()
  const documents = join(api.dir, api.token, 'documents')
  await mkdir(documents, { recursive: true })
  await writeFile(join(documents, 'file_98.bin'), 'fresh')
  await writeFile(join(documents, 'file_99.bin'), 'old')
  const old = new Date(Date.now() - 3_600_000)
  await utimes(join(documents, 'file_99.bin'), old, old)
  t.is((await cleanUp(roles.web)).leftovers.files, 1)
  t.deepEqual(await serverCopies(api), ['file_98.bin'])
})

test.serial('a job that needs no bot keeps no copy of the Bot API server', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  roles.bot.sql(
    `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, turn, due_at, created_at, updated_at)
     VALUES ('question', 'a', 'QUEUED', 0, 1, 1, 0, '{}', 0, 1, 1, 1)`,
  )
  await betweenSweeps()
  const documents = join(api.dir, api.token, 'documents')
  await mkdir(documents, { recursive: true })
  await writeFile(join(documents, 'file_98.bin'), 'fresh')
  t.is((await cleanUp(roles.web)).leftovers.files, 1)
})

test.serial('a half-written stream is gone after the next start', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const incoming = join(roles.bot.storage, 'incoming')
  await writeFile(join(incoming, randomUUID()), 'half')
  await roles.bot.restart('SIGKILL')
  t.deepEqual(
    (await readdir(incoming)).filter((name) => !name.startsWith('.probe')),
    [],
  )
})

test.serial('POST /cleanup wants the administrator’s token', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const wrong = [undefined, 'Bearer wrong', `Bearer ${adminToken}x`, 'Bearer ', 'Basic eDp5', adminToken]
  for (const authorization of wrong) {
    const headers = authorization === undefined ? {} : { authorization }
    const { status, headers: answered } = await roles.web.get('/cleanup', { method: 'POST', headers })
    t.is(status, 401)
    t.is(answered['www-authenticate'], 'Bearer')
  }
  t.is((await roles.web.get('/cleanup', { headers: { authorization: `Bearer ${adminToken}` } })).status, 405)
  t.deepEqual(roles.bot.sql('SELECT id FROM cleanups'), [])
})

test.serial('without ADMIN_TOKEN there is no /cleanup', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api, { ADMIN_TOKEN: undefined })
  const headers = { authorization: 'Bearer ' }
  t.is((await roles.web.get('/cleanup', { method: 'POST', headers })).status, 404)
})

test.serial(
  'POST /cleanup answers with what it removed; requests at the same time share one run',
  async (t) => {
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    for (const seed of [1, 2, 3]) await linkFor(api, await api.sendFile({ seed, size: 1000 * seed }))
    await betweenSweeps()
    roles.bot.sql('UPDATE links SET expires_at = 1 WHERE size < 3000')
    const results = await Promise.all([cleanUp(roles.web), cleanUp(roles.web), cleanUp(roles.web)])
    t.deepEqual(results[0], {
      status: 'done',
      expired: { links: 2, bytes: 3000 },
      leftovers: { files: 0, bytes: 0 },
      orphans: 0,
      missing: 0,
    })
    t.deepEqual(results, [results[0], results[0], results[0]] as typeof results)
    t.is(roles.bot.sql('SELECT id FROM cleanups').length, 1)
    t.deepEqual(await disagreements(roles.bot), [])
  },
)

test.serial('a clean-up that a crash interrupted is done after the start', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await roles.bot.kill('SIGKILL')
  roles.bot.sql('INSERT INTO cleanups (requested_at) VALUES (1)')
  await roles.bot.start()
  await until(
    'it is done',
    () => roles.bot.sql('SELECT id FROM cleanups WHERE finished_at IS NOT NULL').length === 1,
  )
  t.pass()
})

test.serial('an expired link is refused at once, and its bytes are gone within a minute', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { uuid, path } = await linkFor(api, await api.sendFile())
  const expiry = Date.now() + 1000
  roles.bot.sql(`UPDATE links SET expires_at = ${expiry}`)
  await until('it is refused', async () => (await roles.web.get(path)).status === 404, 3000)
  t.true(Date.now() - expiry < 1500)
  const file = join(roles.bot.storage, uuid.slice(0, 2), uuid)
  await until('the bytes are gone', async () => !(await exists(file)), 65_000)
  t.true(Date.now() - expiry < 62_000)
  const row = await until(
    'the row says so',
    () => roles.bot.sql<{ size: number }>('SELECT size FROM links WHERE removed_at IS NOT NULL')[0],
  )
  t.is(row.size, 1024, 'it keeps what statistics need')
})
