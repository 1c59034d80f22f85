import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000c'

let depot: Depot
let app: App

test.before(async () => {
  depot = await openDepot()
  await depot.share({ uuid, bytes: Buffer.alloc(5_000_000) })
  app = await startApp({ roles: ['web'], dir: depot.dir })
})
test.after.always(async () => {
  await app?.[Symbol.asyncDispose]()
  await depot?.[Symbol.asyncDispose]()
})

async function dial(): Promise<Socket> {
  const { listening } = await app.log((line) => 'listening' in line)
  const { hostname, port } = new URL(String(listening))
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** Sends bytes as they are and resolves with all that comes back. */
async function say(bytes: string): Promise<string> {
  const socket = await dial()
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  return await text(socket).catch(() => '')
}

test('a request with two Host lines is refused (RFC 9112, 3.2)', async (t) => {
  const close = 'Connection: close\r\n\r\n'
  t.regex(await say(`GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${close}`), /^HTTP\/1\.1 400 /)
  t.regex(await say(`GET / HTTP/1.1\r\n${close}`), /^HTTP\/1\.1 400 /)
  t.regex(await say(`GET / HTTP/1.1\r\nHost: a\r\n${close}`), /^HTTP\/1\.1 200 /)
})

test('who speaks no HTTP, at once or in the middle of a download, leaves no line in the log', async (t) => {
  for (const noise of [
    '\x16\x03\x01\x02\x00\x01',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n',
  ])
    await say(noise)
  const path = `/download/${uuid}`
  for (const more of ['nonsense\r\n\r\n', '\x00\x01\x02', 'POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n']) {
    const socket = await dial()
    socket.on('error', () => {})
    socket.pause()
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n${more}`, 'latin1')
    socket.resume()
    await once(socket, 'close')
  }
  t.is((await app.get('/')).status, 200)
  t.deepEqual(
    app.lines.filter(({ level }) => level !== 'info'),
    [],
  )
})

test('a header that does not come to its end is cut off after 15 s', async (t) => {
  const began = performance.now()
  t.regex(await say('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: '), /^(HTTP\/1\.1 408 |$)/)
  const seconds = (performance.now() - began) / 1000
  t.true(seconds > 10 && seconds < 25, `${seconds} s`)
})

test('a client that takes nothing more is cut off within about a minute, and its file is closed', async (t) => {
  t.timeout(120_000)
  const slow = uuid.replace(/c$/, 'd')
  await depot.share({ uuid: slow, bytes: Buffer.alloc(50_000_000) })
  const socket = await dial()
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.on('error', () => {})
  socket.write(`GET /download/${slow} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const isOpen = async () => {
    const links = (await readdir(`/proc/${app.pid}/fd`)).map((fd) => readlink(`/proc/${app.pid}/fd/${fd}`))
    return (await Promise.allSettled(links)).some((link) => 'value' in link && link.value.endsWith(slow))
  }
  await until('the file is being sent', isOpen)
  await until('it is closed', async () => !(await isOpen()), 90_000)
  t.deepEqual(
    app.lines.filter(({ level }) => level !== 'info'),
    [],
  )
})
