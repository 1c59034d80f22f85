import { execFile } from 'node:child_process'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import base from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { betweenSweeps, cleanUp, startRoles } from '../helpers/start-roles.ts'
import { fill, putFile } from '../helpers/stored-links.ts'

const run = promisify(execFile)
const test = process.getuid?.() === 0 ? base : base.skip
const owner = 9000

test('of ten ended links one cannot be removed: nine go, the owner hears of it once, and it goes later', async (t) => {
  t.timeout(120_000)
  await using disk = await mountSmallDisk(100)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { ADMIN_USERS: String(owner) }, join(disk.folder, 'depot'))
  const { bot, web } = roles
  await api.sendText('/start', { from: { id: owner } })
  await betweenSweeps()
  const [stuck = ''] = await fill(bot, 10, 1)
  const file = join(bot.storage, stuck.slice(0, 2), stuck)
  await run('chattr', ['+i', file])
  t.teardown(() => run('chattr', ['-i', file]).catch(() => {}))
  t.is((await cleanUp(web)).expired.links, 9)
  t.is((await cleanUp(web)).expired.links, 0)
  t.deepEqual(await bot.stored(), [stuck])
  t.is(bot.lines.filter(({ message }) => message === 'a file cannot be removed').length, 1)
  const isAbout = ({ text }: { text?: string }) =>
    /A file on the server cannot be removed \(EPERM\)\. .* it is tried again/.test(text ?? '')
  await api.waitForMessage(owner, isAbout, 70_000)
  await bot.restart()
  await betweenSweeps()
  t.is((await cleanUp(web)).expired.links, 0)
  t.is((await api.chat(owner)).messages.filter(isAbout).length, 1)
  await run('chattr', ['-i', file])
  await bot.restart()
  await betweenSweeps()
  await cleanUp(web)
  t.deepEqual(await bot.stored(), [])
})

test('of a server copy and of a file set aside that cannot be removed, the owner hears the true reason', async (t) => {
  t.timeout(120_000)
  await using disk = await mountSmallDisk(100)
  await using api = await startBotApi({ dir: join(disk.folder, 'bot-api') })
  await using roles = await startRoles(api, { ADMIN_USERS: String(owner) }, join(disk.folder, 'depot'))
  const { bot, web } = roles
  await api.sendText('/start', { from: { id: owner } })
  const copies = join(api.dir, api.token, 'documents')
  const aside = join(bot.storage, 'quarantine', '2020-01-01', '00')
  for (const folder of [copies, aside]) await mkdir(folder, { recursive: true })
  const copy = join(copies, 'file_99.bin')
  await writeFile(copy, 'left behind')
  const uuid = await putFile(bot)
  const unknown = join(aside, uuid)
  await rename(join(bot.storage, uuid.slice(0, 2), uuid), unknown)
  await run('chattr', ['+i', copy, unknown])
  t.teardown(() => run('chattr', ['-i', copy, unknown]).catch(() => {}))
  await cleanUp(web)
  const told = await api.waitForMessage(owner, ({ text }) => /cannot be removed/.test(text ?? ''), 70_000)
  t.regex(told.text ?? '', /^2 files on the server cannot be removed \(EPERM\)/)
  const lines = bot.lines.filter(({ message }) => message === 'a file cannot be removed')
  t.deepEqual(
    lines.map(({ error }) => (error as { code: string }).code),
    ['EPERM', 'EPERM'],
  )
})
