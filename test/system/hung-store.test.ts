import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)

const owner = 9001

const env = { ...wide, ADMIN_USERS: String(owner), UV_THREADPOOL_SIZE: '24' }

/** A file system that can be made to hang. */
interface HangingDisk extends AsyncDisposable {
  folder: string
  hang(): Promise<void>
  goOn(): Promise<void>
}

/** Its server, a program, is stopped: no call comes back, as on a network share. */
async function mountShare(): Promise<HangingDisk> {
  const root = await mkdtemp(join(tmpdir(), 'tgdepot-share-'))
  const [source, folder] = [join(root, 'source'), join(root, 'share')]
  for (const path of [source, folder]) await mkdir(path)
  const { dev } = await stat(folder)
  const server = spawn('bindfs', ['-f', source, folder], { stdio: 'inherit' })
  await until('it is mounted', async () => (await stat(folder)).dev !== dev)
  const goOn = async () => void server.kill('SIGCONT')
  return {
    folder,
    hang: async () => void server.kill('SIGSTOP'),
    goOn,
    async [Symbol.asyncDispose]() {
      await goOn()
      await run('umount', ['-l', folder])
      if (server.exitCode === null) await once(server, 'exit')
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** It is frozen: what writes does not come back, and cannot be killed. */
async function mountDisk(): Promise<HangingDisk> {
  const disk = await mountSmallDisk(64)
  let isFrozen = false
  const freeze = async (how: boolean) => {
    if (how !== isFrozen) await run('/usr/sbin/fsfreeze', [how ? '-f' : '-u', disk.folder])
    isFrozen = how
  }
  return {
    folder: disk.folder,
    hang: () => freeze(true),
    goOn: () => freeze(false),
    async [Symbol.asyncDispose]() {
      await freeze(false)
      await disk[Symbol.asyncDispose]()
    },
  }
}

const isRoot = process.getuid?.() === 0
const onShare = isRoot && existsSync('/dev/fuse') && existsSync('/usr/bin/bindfs') ? test : test.skip
const onDisk = isRoot ? test : test.skip

for (const { name, mount, may } of [
  { name: 'hangs, as a network share does,', mount: mountShare, may: onShare },
  { name: 'takes no writes and says nothing', mount: mountDisk, may: onDisk },
]) {
  may(`while the store's disk ${name} the bot answers, and its files go on afterwards`, async (t) => {
    t.timeout(240_000)
    await using api = await startBotApi()
    await using disk = await mount()
    await using app = await startApp({ api, env: { ...env, STORAGE_PATH: join(disk.folder, 'store') } })
    // Before the app is ended: a process that waits for the disk cannot be.
    await using _end = { [Symbol.asyncDispose]: () => disk.goOn() }
    await api.sendText('/start', { from: { id: owner } })
    await linkFor(api, await api.sendFile({ from: { id: 1 }, size: 1000, seed: 'before' }))

    await disk.hang()
    const sent = []
    for (let id = 10; id < 30; id++) {
      sent.push(await api.sendFile({ from: { id }, size: 1000 + id, seed: id }))
      await api.waitForMessage(id, () => true, 15_000)
    }
    await until(
      '/health says so',
      () => storeHealth(app).then(({ detail }) => detail === 'does not answer'),
      45_000,
    )
    t.is((await app.get('/health')).status, 503)
    await api.waitForMessage(
      owner,
      ({ text }) => /folder of the files does not answer/.test(text ?? ''),
      30_000,
    )
    await api.sendText('/start', { from: { id: 40 } })
    await api.waitForMessage(40, () => true)
    // Its looks, one after the other, would take the threads that everything else needs.
    const parts = await health(app)
    for (const [part, { detail }] of Object.entries(parts)) t.notRegex(detail, /no report/, part)

    await disk.goOn()
    await Promise.all(sent.map((message) => linkFor(api, message, 90_000)))
    t.deepEqual(app.sql('SELECT DISTINCT status FROM jobs'), [{ status: 'COMPLETED' }])
    await until('/health is well', async () => (await app.get('/health')).status === 200, 30_000)
    await api.waitForMessage(
      owner,
      ({ text }) => /folder of the files is there again/.test(text ?? ''),
      30_000,
    )
    await toldOnce(t, api)
  })

  may(`the bot starts, answers and stops although the store's disk ${name}`, async (t) => {
    t.timeout(180_000)
    await using api = await startBotApi()
    await using disk = await mount()
    await using app = await startApp({ api, env: { ...env, STORAGE_PATH: join(disk.folder, 'store') } })
    await using _end = { [Symbol.asyncDispose]: () => disk.goOn() }
    t.is(await app.kill('SIGTERM'), 0)
    await disk.hang()
    await app.start()
    const sent = await api.sendFile({ from: { id: 1 }, size: 1000, seed: 'while it hangs' })
    await api.waitForMessage(1, () => true, 30_000)
    const stopped = app.kill('SIGTERM')
    await app.log(({ message }) => message === 'stopped', 40_000)
    await disk.goOn()
    await stopped
    await app.start()
    await linkFor(api, sent, 60_000)
    t.deepEqual(app.sql('SELECT DISTINCT status, attempts, crashes FROM jobs'), [
      { status: 'COMPLETED', attempts: 1, crashes: 0 },
    ])
  })
}

async function toldOnce(t: ExecutionContext, api: Awaited<ReturnType<typeof startBotApi>>) {
  const said = await saidIn(api, owner)
  t.is(said.filter((text) => /does not answer/.test(text)).length, 1, said.join('\n'))
}

type Parts = Record<string, { ok: boolean; detail: string }>

async function health(app: App): Promise<Parts> {
  const { body } = await app.get('/health')
  return (JSON.parse(String(body)) as { parts: Parts }).parts
}

async function storeHealth(app: App) {
  return (await health(app)).store ?? { ok: false, detail: '' }
}
