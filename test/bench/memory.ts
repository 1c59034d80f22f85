import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { findPorts } from '../bot-api/fresh.ts'
import { type App, linkIn, startApp } from './app.ts'
import { against, type Findings } from './figures.ts'
import { startFront } from './front.ts'
import type { Bench } from './part.ts'
import { end, findProgram, type Memory, memoryOf, until } from './programs.ts'

const arrivals = 200
const arrivalSize = 10e6
const users = 40
const downloads = 64
const downloadSize = 2 ** 28
/** Bytes a second of each download: half of them as on a slow line, half as on a fast one. */
const speeds = ['1M', '10M']

interface Measured {
  way: string
  started: Record<'bot' | 'web', Memory>
  loaded: Record<'bot' | 'web', Memory>
  seconds: number
}

/** The most memory of the two roles, as two processes, while files arrive and downloads run. */
export async function measureMemory({ folder, say }: Bench): Promise<Findings> {
  const ways = [
    ...(findProgram('nginx') ? [{ way: 'through nginx', isDirect: false }] : []),
    { way: 'without nginx', isDirect: true },
  ]
  const measured: Measured[] = []
  for (const { way, isDirect } of ways) {
    say(`${way}: ${arrivals} files arrive while ${downloads} downloads run`)
    measured.push({ way, ...(await measureWay(join(folder, `memory-${way.split(' ')[0]}`), isDirect)) })
  }
  return {
    method:
      `MiB resident at most (VmHWM) while ${arrivals} files of 10 MB arrive from ${users} users and ${downloads} ` +
      `downloads run at ${speeds.join('B/s or ')}B/s; in brackets the part that is no mapped file, at the end`,
    table: {
      columns: ['way', 'role', 'after the start', 'at most', 'seconds'],
      rows: measured.flatMap(({ way, started, loaded, seconds }) =>
        (['bot', 'web'] as const).map((role) => [
          way,
          role,
          started[role].peak.toFixed(0),
          `${loaded[role].peak.toFixed(0)} (${loaded[role].anonymous.toFixed(0)})`,
          seconds.toFixed(0),
        ]),
      ),
    },
    conclusions: [
      ...measured.flatMap(({ way, loaded }) =>
        (['bot', 'web'] as const).map(
          (role) => `${role}, ${way}: ${against(loaded[role].peak, 'below', 120, 'MiB')}`,
        ),
      ),
      ...(ways.length === 1 ? ['through nginx LEFT OUT: nginx is not installed'] : []),
    ],
    raw: measured,
  }
}

async function measureWay(folder: string, isDirect: boolean): Promise<Omit<Measured, 'way'>> {
  await using app = await startApp(folder)
  await app.warm()
  const { http: port } = await findPorts()
  const direct = { SERVER_SOCKET: '', X_ACCEL_PREFIX: '', SERVER_PORT: String(port) }
  const web = await app.start('web', isDirect ? direct : {})
  const bot = await app.start('bot')
  const started = { bot: memoryOf(bot), web: memoryOf(web) }

  const file = await app.publish(downloadSize)
  await using front = isDirect ? undefined : await startFront(join(folder, 'nginx'), app, { tls: false })
  const url = front ? front.link(file) : `http://127.0.0.1:${port}/download/${file.uuid}`
  const loads = speeds.map((speed) => startDownloads(url, speed))
  try {
    const began = performance.now()
    await arrive(app)
    const seconds = (performance.now() - began) / 1000
    if (loads.some(({ exitCode }) => exitCode !== null)) throw new Error(`downloads of ${url} ended early`)
    return { started, loaded: { bot: memoryOf(bot), web: memoryOf(web) }, seconds }
  } finally {
    for (const load of loads) await end(load, 'SIGKILL')
  }
}

/** Keeps its share of the downloads running, each at `speed`, until it is ended. */
function startDownloads(url: string, speed: string): ChildProcess {
  const parallel = String(downloads / speeds.length)
  const flags = [
    '-sSf',
    '--parallel',
    '--parallel-immediate',
    '--parallel-max',
    parallel,
    '--limit-rate',
    speed,
  ]
  return spawn('curl', ['--no-progress-meter', ...flags, '-o', '/dev/null', `${url}?[1-100000]`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** The users send all their files; resolves when each of these has its link. */
async function arrive(app: App): Promise<void> {
  const since = Date.now()
  for (let user = 0; user < users; user++) {
    const from = app.newUser()
    for (let file = 0; file < arrivals / users; file++) {
      await app.botApi.sendFile({ from, kind: 'document', name: `${file}.bin`, size: arrivalSize })
    }
  }
  const linked = async () => {
    const calls = await app.botApi.calls(undefined, since)
    return calls.filter(({ params }) => linkIn(params.text as string | undefined) !== undefined).length
  }
  await until(`${arrivals} files have links`, async () => (await linked()) >= arrivals, 300_000, 500)
}
