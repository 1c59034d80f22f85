import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startHelper } from '../helpers/start-helper.ts'
import { linkIn, startApp } from './app.ts'
import { against, type Findings, median, type Series, spread } from './figures.ts'
import type { Bench } from './part.ts'
import { output } from './programs.ts'

/** Bytes a second, about what a gigabit line or two bring. */
const network = 150e6
const small = 1024
const large = 2 ** 31

/** Small files in a round: they cost nothing, and their figures are whole milliseconds. */
const smallPerRound = 5

/** From the answer to getFile to the call that brings the link, both as the Bot API server saw them. */
export async function measureLinkLatency({ folder, rounds, say }: Bench): Promise<Findings> {
  await using app = await startApp(join(folder, 'link-latency'))
  const { botApi } = app
  // As on an installed machine, where the server is another user.
  const path = join(folder, 'helper.sock')
  await using _helper = await startHelper({ path, files: botApi.dir, port: Number(new URL(botApi.url).port) })
  await app.start('bot', { BOT_API_HELPER: path })
  await botApi.settings({ download_bytes_per_second: network })

  async function once(size: number): Promise<number> {
    // What the round before left to write must not be waited for in this one.
    await output('sync', [])
    const since = Date.now()
    const { uuid, path } = await app.publish(size)
    const calls = await botApi.calls(undefined, since)
    const asked = calls.findLast((call) => call.method.toLowerCase() === 'getfile' && call.status === 200)
    const told = calls.find((call) => linkIn(call.params.text as string | undefined) === uuid)
    if (!asked || !told) throw new Error('the calls of a transfer are not in the log')
    await rm(path)
    return told.at - (asked.at + asked.duration_ms)
  }

  for (let warm = 0; warm < 10; warm++) await once(small)
  const series: { small: Series; large: Series } = { small: [], large: [] }
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`)
    for (let file = 0; file < smallPerRound; file++) series.small.push(await once(small))
    series.large.push(await once(large))
  }

  const row = (name: string, figures: Series) => [name, figures.length, median(figures), spread(figures)]
  return {
    method:
      `milliseconds from the getFile answer to the call with the link, by the stand-in's clock (whole ms); ` +
      `the network brings ${network / 1e6} MB/s`,
    table: {
      columns: ['file', 'times', 'median ms', 'from-to'],
      rows: [row('1 KB', series.small), row('2 GB', series.large)],
    },
    conclusions: [
      `1 KB: ${against(median(series.small), 'below', 10, 'ms')}`,
      `2 GB: ${against(median(series.large), 'below', 10, 'ms')}`,
    ],
    raw: { network_bytes_per_second: network, milliseconds: series },
  }
}
