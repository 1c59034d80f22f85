import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { FakeClock, hasFakeClock } from '../helpers/fake-clock.ts'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { until } from '../helpers/until.ts'

const program = join(import.meta.dirname, '../../deploy/bot-api.pl')

/** Opens its port after a second, refuses what it is asked, prints its number, and takes a second to end. */
const server = `
  setTimeout(() => require('node:http').createServer((_, answer) => answer.writeHead(404).end()).listen(+process.argv[1], '127.0.0.1'), 1000)
  process.on('SIGTERM', () => setTimeout(() => { console.log('closed'); process.exit(0) }, 1000))
  process.on('SIGUSR1', () => process.exit(3))
  console.log(process.pid)`

async function freePort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return String(port)
}

function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function start(t: ExecutionContext, more: Record<string, string> = {}) {
  const socket = await NotifySocket.open()
  t.teardown(() => socket[Symbol.asyncDispose]())
  const port = await freePort()
  const args = [program, port, process.execPath, '-e', server, port]
  const env = { PATH: process.env.PATH, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3000000', ...more }
  const watcher = spawn('perl', args, { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  t.teardown(() => {
    try {
      process.kill(-(watcher.pid as number), 'SIGKILL')
    } catch {}
  })
  let output = ''
  watcher.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  const pid = Number(await until('its number', () => /^\d+$/m.exec(output)?.[0]))
  const beats = async () => {
    const enough = socket.words.length + 2
    await until('two more words', () => socket.words.length >= enough)
  }
  return { socket, watcher, pid, beats, output: () => output }
}

test('a Bot API server is ready when it answers, and alive as long as it does, whatever it answers', async (t) => {
  const { socket, pid, beats } = await start(t)
  t.deepEqual(socket.words, [])
  await beats()
  t.is(socket.words[0], 'READY=1')
  t.true(socket.words.slice(1).every((word) => word === 'WATCHDOG=1'))
  process.kill(pid, 'SIGSTOP')
  await delay(1500)
  const before = socket.words.length
  await delay(2500)
  t.is(socket.words.length, before)
  process.kill(pid, 'SIGCONT')
  await until('another word', () => socket.words.length > before, 20_000)
})

test('stopped as systemd stops it, the Bot API server has its time to end', async (t) => {
  const { watcher, beats, output } = await start(t)
  await beats()
  const ended = once(watcher, 'close')
  process.kill(watcher.pid as number, 'SIGTERM')
  t.deepEqual(await ended, [0, null])
  t.regex(output(), /^closed$/m)
})

test('a Bot API server goes with what speaks for it, also while it hangs: the next one needs its port', async (t) => {
  const { watcher, pid, beats } = await start(t)
  await beats()
  process.kill(pid, 'SIGSTOP')
  const ended = once(watcher, 'close')
  process.kill(watcher.pid as number, 'SIGKILL')
  await ended
  await until('its end', () => !isThere(pid))
  t.pass()
})

test('a Bot API server that ends by itself ends what speaks for it, with its status', async (t) => {
  const { watcher, pid, beats } = await start(t)
  await beats()
  const ended = once(watcher, 'close')
  process.kill(pid, 'SIGUSR1')
  t.deepEqual(await ended, [3, null])
})

const byClock = hasFakeClock ? test : test.skip

byClock('a Bot API server that works is alive whatever is done to the clock', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-watch-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const clock = new FakeClock(dir)
  await clock.set(0)
  const { beats } = await start(t, clock.env)
  await beats()
  for (const hours of [-24, 24, -1]) {
    await clock.set(hours * 3600)
    await t.notThrowsAsync(beats(), `${hours}`)
  }
})
