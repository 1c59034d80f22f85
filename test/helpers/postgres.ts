import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { until } from './until.ts'

const run = promisify(execFile)

/** Debian's PostgreSQL on a socket of its own, without TCP. */
export interface Server extends AsyncDisposable {
  /** Where its socket is: the `host` of an address. */
  folder: string
  /** The process that a test may stop or kill. */
  pid: number
  /** Makes an empty database and returns its address. */
  createDatabase(): Promise<string>
  /** Starts it again after its end. */
  start(): Promise<void>
  /** Ends it as an administrator does. */
  stop(): Promise<void>
}

/** Folder of Debian's newest programs, or undefined when there are none. */
export async function findPostgres(): Promise<string | undefined> {
  const root = '/usr/lib/postgresql'
  const versions = (await readdir(root).catch(() => [])).map(Number).sort((a, b) => b - a)
  return versions.length === 0 ? undefined : join(root, String(versions[0]), 'bin')
}

/** PostgreSQL refuses to run as root; its package brings a user along. */
async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (userInfo().uid !== 0) return {}
  const { stdout } = await run('getent', ['passwd', 'postgres'])
  const [, , uid, gid] = stdout.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Nothing here outlives the machine. */
const settings = {
  listen_addresses: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  autovacuum: 'off',
  log_min_messages: 'fatal',
}

export async function startPostgres(): Promise<Server> {
  const programs = await findPostgres()
  if (programs === undefined) throw new Error('the Debian package postgresql is not installed')
  const user = await unprivileged()
  const folder = await mkdtemp(join(tmpdir(), 'tgdepot-postgres-'))
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  // Also for who has not the power of root.
  await chmod(folder, 0o755)
  // As a user of Debian's, it may not look into the folder of the one who runs the tests.
  const options = { ...user, cwd: '/' }
  await run(join(programs, 'initdb'), ['--no-sync', '--auth=trust', '--username=tgdepot', data], options)
  const words = Object.entries({ ...settings, unix_socket_directories: folder }).map(
    ([name, value]) => `--${name}=${value}`,
  )
  let child = spawnServer()
  function spawnServer() {
    return spawn(join(programs as string, 'postgres'), ['-D', data, ...words], {
      ...options,
      stdio: 'ignore',
    })
  }
  const config = { host: folder, user: 'tgdepot', database: 'postgres' }
  const ready = () =>
    until('PostgreSQL answers', async () => {
      const client = new pg.Client(config)
      try {
        await client.connect()
        return true
      } catch {
        return false
      } finally {
        await client.end().catch(() => {})
      }
    })
  await ready()
  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await ended
  }
  const killer = () => child.kill('SIGKILL')
  process.on('exit', killer)
  return {
    folder,
    get pid() {
      return child.pid as number
    },
    createDatabase: () => createDatabase(folder),
    async start() {
      child = spawnServer()
      await ready()
    },
    stop,
    async [Symbol.asyncDispose]() {
      // At once: there is nothing to keep.
      await stop('SIGQUIT')
      process.off('exit', killer)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Makes an empty database on the server whose socket is in this folder, and returns its address. */
export async function createDatabase(folder: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const client = new pg.Client({ host: folder, user: 'tgdepot', database: 'postgres' })
  await client.connect()
  try {
    // Two at a time would wait for the same template.
    await client.query('SELECT pg_advisory_lock(1)')
    await client.query(`CREATE DATABASE ${name}`)
  } finally {
    await client.end()
  }
  return addressOf(folder, name)
}

/** The address of a database, as DATABASE_URL takes it. */
export function addressOf(folder: string, database: string): string {
  return `postgres://tgdepot@${encodeURIComponent(folder)}/${database}`
}

/** Removes a database that nobody needs any more, whoever still looks at it. */
export async function dropDatabase(address: string): Promise<void> {
  const url = new URL(address)
  const client = new pg.Client({
    host: decodeURIComponent(url.hostname),
    user: 'tgdepot',
    database: 'postgres',
  })
  await client.connect()
  await client.query(`DROP DATABASE IF EXISTS ${url.pathname.slice(1)} WITH (FORCE)`)
  await client.end()
}
