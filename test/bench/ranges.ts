import { join } from 'node:path'
import { type Published, startApp } from './app.ts'
import { fastApiWorkers, startFastApi, whyNoFastApi } from './fastapi.ts'
import { against, type Findings, median, type Series, spread } from './figures.ts'
import { startFront } from './front.ts'
import type { Bench } from './part.ts'
import { output } from './programs.ts'

const size = 2 ** 30
const range = 65_536
const connections = 32

interface Load {
  requests: number
  microseconds: number
  bytes: number
  failed: number
  p50_us: number
  p99_us: number
}

/** Download managers: many connections, each fetching small ranges of one large file. */
export async function measureRanges({ folder, rounds, seconds, say }: Bench): Promise<Findings> {
  const own = join(folder, 'ranges')
  await using app = await startApp(own)
  await app.start('web')
  await app.start('bot')
  say('a file of 1 GB is sent to the bot')
  const file = await app.publish(size)
  await using front = await startFront(join(own, 'nginx'), app, { tls: false })
  const noFastApi = await whyNoFastApi()
  await using fastApi = noFastApi === undefined ? await startFastApi(own, file) : undefined
  const ways = [
    { name: 'nginx alone', url: front.plainFile(file) },
    { name: 'nginx + app', url: front.link(file) },
    ...(fastApi ? [{ name: `FastAPI, uvicorn x ${fastApiWorkers}`, url: fastApi.url }] : []),
  ].map((way) => ({ ...way, loads: [] as Load[] }))

  for (const { url } of ways) {
    await check(url, file)
    await load(url, 1)
  }
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`)
    for (const way of ways) way.loads.push(await load(way.url, seconds))
  }
  const rates = ways.map(({ name, loads }) => ({ name, rate: loads.map(perSecond), loads }))
  const of = (start: string) => median(rates.find(({ name }) => name.startsWith(start))?.rate ?? [])
  const ratio = of('nginx + app') / of('nginx alone')
  return {
    method: `requests/s for random 64 KB ranges of a cached 1 GB file over ${connections} connections (wrk, ${seconds} s each)`,
    table: {
      columns: ['server', 'requests/s', 'from-to', 'ratio', 'p50 ms', 'p99 ms'],
      rows: rates.map(({ name, rate, loads }) => [
        name,
        median(rate).toFixed(0),
        spread(rate),
        (median(rate) / of('nginx alone')).toFixed(3),
        milliseconds(loads.map((one) => one.p50_us)),
        milliseconds(loads.map((one) => one.p99_us)),
      ]),
    },
    conclusions: [
      `nginx + app, of nginx alone: ${against(ratio, 'at least', 0.4)}`,
      noFastApi === undefined
        ? `nginx + app does ${(of('nginx + app') / of('FastAPI')).toFixed(1)} times what FastAPI does`
        : `FastAPI LEFT OUT: ${noFastApi}`,
    ],
    raw: ways.map(({ name, loads }) => ({ name, loads })),
  }
}

function perSecond({ requests, microseconds }: Load): number {
  return requests / (microseconds / 1e6)
}

function milliseconds(series: Series): string {
  return (median(series) / 1000).toFixed(2)
}

/** One range must be answered as such before many are counted. */
async function check(url: string, { size: bytes }: Published): Promise<void> {
  const first = bytes - range - 1
  const answer = await fetch(url, { headers: { range: `bytes=${first}-${first + range - 1}` } })
  const { byteLength } = await answer.arrayBuffer()
  const expected = `bytes ${first}-${first + range - 1}/${bytes}`
  if (answer.status !== 206 || byteLength !== range || answer.headers.get('content-range') !== expected) {
    throw new Error(`${url} does not answer a range: ${answer.status}, ${byteLength} bytes`)
  }
}

async function load(url: string, duration: number): Promise<Load> {
  const script = join(import.meta.dirname, 'ranges.lua')
  const flags = ['-t1', `-c${connections}`, `-d${duration}s`, '--latency', '-s', script]
  const words = await output('wrk', [...flags, url, '--', String(size)])
  const result: Load = JSON.parse(/^RESULT (.*)$/m.exec(words)?.[1] ?? 'null')
  // An answer without its 64 KB would be quicker than one with them.
  if (result.failed > 0 || result.bytes < result.requests * range) {
    throw new Error(`${url}: not every answer was a range: ${words}`)
  }
  return result
}
