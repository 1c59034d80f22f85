import { join } from 'node:path'
import { startApp } from './app.ts'
import { against, type Findings, median, type Series, spread } from './figures.ts'
import { startFront } from './front.ts'
import type { Bench } from './part.ts'
import { output } from './programs.ts'

const size = 2 ** 30

/** One client downloads 1 GB: through the app's decision, and the same file from the same nginx statically. */
export async function measureOneConnection({ folder, rounds, say }: Bench): Promise<Findings> {
  await using app = await startApp(join(folder, 'one-connection'))
  await app.start('web')
  await app.start('bot')
  say('a file of 1 GB is sent to the bot')
  const file = await app.publish(size)
  await using plain = await startFront(join(folder, 'one-connection/plain'), app, { tls: false })
  await using tls = await startFront(join(folder, 'one-connection/tls'), app, { tls: true })
  const ways = [
    { name: 'HTTP/1.1', front: plain, flags: [] },
    { name: 'TLS, HTTP/1.1', front: tls, flags: ['--insecure', '--http1.1'] },
    { name: 'TLS, HTTP/2', front: tls, flags: ['--insecure', '--http2'] },
  ].map((way) => ({ ...way, linked: [] as Series, static: [] as Series }))

  for (const { front, flags } of ways) {
    await download(front.link(file), flags)
    await download(front.plainFile(file), flags)
  }
  // Where its buffers lie in memory makes nginx up to a quarter slower over TLS, as long as its workers live: so every
  // round has new ones, and there are more of them than elsewhere.
  for (let round = 1; round <= rounds * 3; round++) {
    say(`round ${round} of ${rounds * 3}`)
    await plain.renewWorkers()
    await tls.renewWorkers()
    for (const way of ways) {
      const linked = async () => way.linked.push(await download(way.front.link(file), way.flags))
      const plainly = async () => way.static.push(await download(way.front.plainFile(file), way.flags))
      // Whichever comes second finds the processor as the first one left it.
      for (const measure of round % 2 ? [linked, plainly] : [plainly, linked]) await measure()
    }
  }
  const ratio = (way: (typeof ways)[number]) => median(way.linked) / median(way.static)
  return {
    method: 'MB/s of one curl that throws away 1 GB from the page cache, over loopback',
    table: {
      columns: ['way', 'link', 'from-to', 'static', 'from-to', 'ratio'],
      rows: ways.map((way) => [
        way.name,
        median(way.linked).toFixed(0),
        spread(way.linked),
        median(way.static).toFixed(0),
        spread(way.static),
        ratio(way).toFixed(3),
      ]),
    },
    conclusions: ways.map((way) => `${way.name}: ${against(ratio(way), 'at least', 0.97)} of static`),
    raw: ways.map(({ name, linked, static: s }) => ({ name, link_mb_per_s: linked, static_mb_per_s: s })),
  }
}

/** MB a second of one whole download. */
async function download(url: string, flags: string[]): Promise<number> {
  const format = '%{http_code} %{size_download} %{speed_download}'
  const words = await output('curl', ['-sS', ...flags, '-o', '/dev/null', '-w', format, url])
  const [status, bytes, speed] = words.split(' ').map(Number) as [number, number, number]
  if (status !== 200 || bytes !== size) throw new Error(`${url} gave status ${status} and ${bytes} bytes`)
  return speed / 1e6
}
