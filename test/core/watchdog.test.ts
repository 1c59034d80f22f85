import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { pino } from 'pino'
import { type SignOfLife, Watchdog } from '../../app/core/watchdog.ts'
import { startBotApi } from '../bot-api/client.ts'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { type AppOptions, startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

/** Three beats a second. */
const WATCHDOG_USEC = '1000000'

const TELEGRAM_BOT_TOKEN = `123456789:${'a'.repeat(35)}`

function newLog() {
  const lines: Record<string, unknown>[] = []
  return { lines, log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }) }
}

async function startWatched(options: AppOptions, socket: NotifySocket) {
  const env = { ...options.env, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC }
  return await startApp({
    ...options,
    env,
    by: ['perl', join(import.meta.dirname, '../../deploy/notify-fd.pl')],
  })
}

/** Whether it goes on saying that it lives. */
async function beats(socket: NotifySocket, count = 3, ms = 15_000): Promise<void> {
  const enough = socket.count('WATCHDOG=1') + count
  await until(`${count} more beats`, () => socket.count('WATCHDOG=1') >= enough, ms)
}

test('both roles say that they are ready, once, and from then on that their loops come round', async (t) => {
  await using socket = await NotifySocket.open()
  await using api = await startBotApi()
  await using app = await startWatched({ api }, socket)
  await beats(socket)
  t.is(socket.words[0], 'READY=1')
  t.is(socket.count('READY=1'), 1)
  process.kill(app.pid as number, 'SIGSTOP')
  // What is on its way arrives.
  await delay(500)
  const before = socket.words.length
  await delay(1500)
  t.is(socket.words.length, before, 'a stopped process says nothing')
  process.kill(app.pid as number, 'SIGCONT')
  await beats(socket)
  t.is(await app.kill('SIGTERM'), 0)
})

test('a Bot API server that is away, or takes calls and never answers, keeps no bot from being ready', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await until('its port', () => silent.listening)
  const { port } = silent.address() as { port: number }
  for (const TELEGRAM_API_URL of ['http://127.0.0.1:1', `http://127.0.0.1:${port}`]) {
    await using socket = await NotifySocket.open()
    const env = { TELEGRAM_API_URL, TELEGRAM_BOT_TOKEN }
    await using _app = await startWatched({ roles: ['bot'], login: false, env }, socket)
    await beats(socket)
    t.is(socket.words[0], 'READY=1', TELEGRAM_API_URL)
  }
})

test('a database that another program has locked is no hang, at the start or later', async (t) => {
  const { DatabaseSync } = await import('node:sqlite')
  await using socket = await NotifySocket.open()
  await using api = await startBotApi()
  await using app = await startWatched({ api, roles: ['bot'] }, socket)
  const lock = (mode: string) => {
    const database = new DatabaseSync(app.databaseFile, { timeout: 5000 })
    database.exec(mode)
    return database
  }
  const first = lock('BEGIN IMMEDIATE')
  // One that was on its way, and one after.
  await beats(socket, 2, 100_000)
  first.close()
  await app.kill('SIGTERM')
  const second = lock('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  app.spawn()
  await app.log((line) => /waiting until that is over/.test(line.message))
  await until('ready while it waits', () => socket.count('READY=1') === 2)
  await beats(socket)
  second.close()
  await app.log((line) => line.message === 'bot: ready')
  await beats(socket)
  t.is(socket.count('READY=1'), 2)
})

/** A file in systemd's place, and the words that were written into it. */
async function openFile(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-watchdog-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const path = join(dir, 'words')
  const descriptor = openSync(path, 'a')
  t.teardown(() => closeSync(descriptor))
  const words = () => readFileSync(path, 'utf8').match(/[A-Z]+=1/g) ?? []
  return { NOTIFY_FD: String(descriptor), words }
}

test('without systemd nothing is asked and nothing is said', async (t) => {
  const { log, lines } = newLog()
  await using watchdog = new Watchdog({ WATCHDOG_USEC: '1000' }, process.pid, log)
  watchdog.watch('a loop', () => {
    t.fail('somebody asks for a sign')
    return Promise.resolve()
  })
  watchdog.ready()
  await delay(100)
  t.deepEqual(lines, [])
})

test('a process whose parent the watchdog was meant for says that it is ready, and no more', async (t) => {
  const { NOTIFY_FD, words } = await openFile(t)
  const env = { NOTIFY_FD, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }
  await using watchdog = new Watchdog(env, process.pid, newLog().log)
  watchdog.ready()
  await until('its word', () => words().length > 0)
  await delay(200)
  t.deepEqual(words(), ['READY=1'])
})

const hangs: [what: string, sign: SignOfLife][] = [
  ['does not come round', () => new Promise<void>(() => {})],
  ['does not answer', () => Promise.reject(new Error('no answer'))],
]

for (const [what, hang] of hangs) {
  test(`a loop that ${what} ends the beats, and the log names it`, async (t) => {
    const { NOTIFY_FD, words } = await openFile(t)
    const { log, lines } = newLog()
    let isHanging = false
    const env = { NOTIFY_FD, WATCHDOG_USEC: '300000' }
    await using watchdog = new Watchdog(env, process.pid, log)
    watchdog.watch('a good one', () => Promise.resolve())
    watchdog.watch('a bad one', () => (isHanging ? hang() : Promise.resolve()))
    watchdog.ready()
    await until('some beats', () => words().length > 3)
    isHanging = true
    await until('a word of it', () => lines.length > 0)
    t.deepEqual(lines[0]?.silent, ['a bad one'])
    const before = words().length
    await delay(500)
    t.is(words().length, before)
  })
}
