import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { inheritedSocket } from '../../../app/core/inherited-socket.ts'
import { findPorts } from '../../bot-api/fresh.ts'
import { openDepot } from '../../helpers/depot.ts'
import { httpGet } from '../../helpers/http-get.ts'
import { nginxProgram, startNginx } from '../../helpers/nginx.ts'
import { until } from '../../helpers/until.ts'

const throughNginx = nginxProgram === undefined ? test.serial.skip : test.serial

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
const adminToken = 'the-administrators-token'
const root = join(import.meta.dirname, '../../..')

interface Socket {
  path: string
  /** Sends the present web role a signal and waits until another one answers. */
  replace(signal: NodeJS.Signals): Promise<void>
}

/** The web role on a socket that outlives it, as its units run it. */
async function holdSocket(dir: string, databaseFile: string): Promise<Socket & AsyncDisposable> {
  const path = join(dir, 'web.sock')
  const program = [process.execPath, join(root, 'app/main.ts'), 'web']
  const holder: ChildProcess = spawn(
    process.execPath,
    [join(root, 'test/helpers/hold-socket.ts'), path, ...program],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: join(dir, 'compile-cache'),
        SERVER_SOCKET: path,
        X_ACCEL_PREFIX: '/_files/',
        DATABASE_URL: `sqlite:${databaseFile}`,
        STORAGE_PATH: join(dir, 'store'),
        ADMIN_TOKEN: adminToken,
      },
    },
  )
  const present = async () => {
    const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').catch(() => '')
    return Number(children.trim().split(' ')[0]) || undefined
  }
  const answers = () =>
    httpGet(path, '/').then(
      ({ status }) => status === 200,
      () => false,
    )
  await until('the web role answers', answers, 30_000)
  return {
    path,
    async replace(signal) {
      const before = await until('the web role runs', present)
      process.kill(before, signal)
      await until(
        'another one runs',
        async () => {
          const now = await present()
          return now !== undefined && now !== before
        },
        30_000,
      )
      await until('it answers', answers, 30_000)
    },
    async [Symbol.asyncDispose]() {
      const running = await present()
      const ended = once(holder, 'exit')
      holder.kill('SIGKILL')
      await ended
      if (running !== undefined) process.kill(running, 'SIGKILL')
    },
  }
}

/** Asks for ranges on `connections` connections until it is stopped, for a minute at most; tells how often which answer came. */
function keepAsking(port: number, connections: number, keepAlive: boolean) {
  const agent = new http.Agent({ keepAlive, maxSockets: connections })
  const answers = new Map<string, number>()
  let isOver = false
  const end = performance.now() + 60_000
  const ask = () =>
    new Promise<string>((resolve) => {
      const options = {
        agent,
        host: '127.0.0.1',
        port,
        path: `/download/${uuid}/name`,
        headers: { Range: 'bytes=0-9' },
      }
      http
        .get(options, (response) => response.resume().on('end', () => resolve(String(response.statusCode))))
        .on('error', (error) => resolve(error.message))
    })
  const client = async () => {
    while (!isOver && performance.now() < end) {
      const answer = await ask()
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  }
  const clients = Promise.all(Array.from({ length: connections }, client))
  return async () => {
    isOver = true
    await clients
    agent.destroy()
    return Object.fromEntries(answers)
  }
}

throughNginx('no request fails while the web role is restarted and killed', async (t) => {
  t.timeout(120_000)
  await using depot = await openDepot()
  await depot.share({ uuid, bytes: Buffer.alloc(1000) })
  await using web = await holdSocket(depot.dir, depot.databaseFile)
  const port = (await findPorts()).http
  const folder = join(depot.dir, 'nginx')
  await using _nginx = await startNginx({ folder, port, socket: web.path, store: depot.store.root })
  const stops = [keepAsking(port, 24, true), keepAsking(port, 8, false)]
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const) await web.replace(signal)
  // Waits for a bot role that does not run, and is asked again after the death.
  const headers = { Authorization: `Bearer ${adminToken}` }
  const wish = httpGet(`http://127.0.0.1:${port}`, '/cleanup', { method: 'POST', headers })
  const asked = () => depot.database.query('SELECT id FROM cleanups')
  await until('the clean-up is asked for', async () => (await asked()).length === 1)
  await web.replace('SIGKILL')
  for (const stop of stops) {
    const answers = await stop()
    t.deepEqual(Object.keys(answers), ['206'], JSON.stringify(answers))
    t.true((answers['206'] ?? 0) > 50)
  }
  await depot.database.query(`UPDATE cleanups SET finished_at = 1, result = '{"status":"done"}'`)
  const { status, text } = await wish
  t.is(status, 200, text)
  t.is((await asked()).length, 1, 'asked for once')
})

test('without such a socket the role listens by itself', async (t) => {
  t.is(inheritedSocket({ LISTEN_FDS: '1', LISTEN_PID: '42' }, 42), 3)
  // Meant for the parent, say a shell, that forgot to take it out of the environment.
  t.is(inheritedSocket({ LISTEN_FDS: '1', LISTEN_PID: '41' }, 42), undefined)
  t.is(inheritedSocket({ LISTEN_FDS: '0', LISTEN_PID: '42' }, 42), undefined)
  t.is(inheritedSocket({}, 42), undefined)
})
