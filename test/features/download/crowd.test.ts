import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startBehindNginx } from '../../helpers/behind-nginx.ts'
import { openDepot } from '../../helpers/depot.ts'
import { nginxProgram } from '../../helpers/nginx.ts'
import { until } from '../../helpers/until.ts'

const throughNginx = nginxProgram === undefined ? test.serial.skip : test.serial

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
const crowd = 3000
/** Below what one address may have at a time. */
const perAddress = 100

/** Thousands of connections that are not read would else take all the memory that this machine has for TCP. */
const sendBuffer = 64 * 1024

/** Connections from `address` that say `words` and read nothing. */
async function open(port: number, address: string, count: number, words: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () =>
    connect({ port, host: '127.0.0.1', localAddress: address }),
  )
  for (const socket of sockets) socket.on('error', () => {}).pause()
  await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => {})))
  for (const socket of sockets) socket.write(words)
  return sockets
}

/** Asks for ranges one after another, each on a connection of its own; resolves with how often which answer came. */
async function askOften(port: number, times: number, tls = false): Promise<Record<string, number>> {
  const { get } = tls ? https : http
  const answers: Record<string, number> = {}
  for (let time = 0; time < times; time++) {
    const answer = await new Promise<string>((resolve) => {
      const headers = { Range: `bytes=${time * 1000}-${time * 1000 + 999}` }
      const options = {
        port,
        host: '127.0.0.1',
        localAddress: '127.0.9.9',
        path: `/download/${uuid}`,
        headers,
        rejectUnauthorized: false,
      }
      get({ ...options, agent: false, timeout: 5000 }, (response) => {
        let bytes = 0
        response.on('data', (chunk) => {
          bytes += chunk.length
        })
        response.on('end', () => resolve(`${response.statusCode} with ${bytes} bytes`))
      })
        .on('timeout', () => resolve('nothing within 5 s'))
        .on('error', (error) => resolve(error.message))
    })
    answers[answer] = (answers[answer] ?? 0) + 1
  }
  return answers
}

throughNginx(
  'beside 3000 who read nothing and 3000 who end no header, a client loses no answer',
  async (t) => {
    t.timeout(120_000)
    await using depot = await openDepot()
    await depot.share({ uuid, bytes: Buffer.alloc(32 * 1024 * 1024) })
    await using front = await startBehindNginx(depot, { sendBuffer })
    const { port } = front

    const sockets: Socket[] = []
    t.teardown(() => {
      for (const one of sockets) one.destroy()
    })
    const download = `GET /download/${uuid} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    for (let at = 0; at < crowd / perAddress; at++) {
      sockets.push(...(await open(port, `127.0.1.${at + 1}`, perAddress, download)))
    }
    const silent = new Set(sockets)
    const haveBegun = () => {
      for (const one of silent) if (one.read(12)?.toString() === 'HTTP/1.1 200') silent.delete(one)
      return silent.size === 0
    }
    await until('all of them have their first bytes', haveBegun, 30_000)
    sockets.push(...(await open(port, '127.0.2.1', crowd, 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')))

    t.deepEqual(await askOften(port, 500), { '206 with 1000 bytes': 500 })
    const stillThere = sockets.slice(0, crowd).filter((one) => !one.destroyed).length
    t.is(stillThere, crowd, 'who reads slowly keeps its download')
  },
)

throughNginx(
  'a visitor with IPv6 is one visitor, whichever of a network’s addresses each request has',
  async (t) => {
    await using depot = await openDepot()
    await depot.share({ uuid, bytes: Buffer.alloc(32 * 1024 * 1024) })
    await using front = await startBehindNginx(depot, { sendBuffer })
    const { port } = front
    const sockets: Socket[] = []
    t.teardown(() => {
      for (const one of sockets) one.destroy()
    })
    /** Begins a download that is not read, for a caller whom a proxy on this machine names. */
    const begin = async (address: string) => {
      const words = `GET /download/${uuid} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\n\r\n`
      const [one] = (await open(port, '127.0.0.1', 1, words)) as [Socket]
      sockets.push(one)
      return (await until('an answer', () => one.read(12)?.toString())).slice(9)
    }
    // Also one in whose bytes a line ends.
    for (const network of ['2001:db8:1:2', '2001:db8:a0a:a']) {
      for (let at = 0; at < 128; at++) t.is(await begin(`${network}:${at.toString(16)}::1`), '200')
      t.is(await begin(`${network}:ffff::1`), '429')
    }
    t.is(await begin('2001:db8:1:3::1'), '200')
    for (const same of ['::ffff:192.0.2.', '64:ff9b::192.0.2.', '198.51.100.']) {
      for (let at = 0; at < 130; at++) t.is(await begin(`${same}${at}`), '200', same)
    }
  },
)

/** Asks for a download and resets it at once, fifty at a time, as HTTP/2 lets a client do, until `stop`. */
async function resetRequests(port: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const client = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    client.on('error', () => {})
    const ended = once(client, 'close')
    for (let burst = 0; burst < 18 && !stop.aborted && !client.closed; burst++) {
      for (let one = 0; one < 50 && !client.closed; one++) {
        const stream = client.request({ ':path': `/download/${uuid}` })
        stream.on('error', () => {}).close(http2.constants.NGHTTP2_CANCEL)
      }
      await delay(2)
    }
    client.destroy()
    await ended
  }
}

throughNginx('beside one who resets thousands of requests, a client loses no answer', async (t) => {
  t.timeout(120_000)
  await using depot = await openDepot()
  await depot.share({ uuid, bytes: Buffer.alloc(1_000_000) })
  await using front = await startBehindNginx(depot, { tls: true })
  const stop = new AbortController()
  const resetting = [1, 2, 3, 4].map(() => resetRequests(front.port, stop.signal))
  const answers = await askOften(front.port, 60, true)
  stop.abort()
  await Promise.all(resetting)
  t.deepEqual(answers, { '206 with 1000 bytes': 60 })
})
