import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { type AppOptions, createApp, startApp } from '../helpers/start-app.ts'

const token = `123456789:AA${'x'.repeat(33)}`

/** Starts an app that must refuse to start; returns what it said. */
async function refused(options: AppOptions, prepare?: (dir: string) => Promise<unknown>) {
  await using app = await createApp(options)
  await prepare?.(app.dir)
  app.spawn()
  const code = await app.ended()
  return { code, lines: app.lines, output: app.output }
}

test('a start with many faults ends with all of them, a line each, and code 1', async (t) => {
  const env = {
    TELEGRAM_BOT_TOKEN: undefined,
    TELEGRAM_API_URL: 'localhost:8081',
    BOT_API_DIR: 'relative/path',
    DOWNLOAD_URL_BASE: 'files.example.org',
    SERVER_PORT: '70000',
    DATABASE_URL: 'postgres://x',
    X_ACCEL_PREFIX: 'files',
    MAX_FILE_SIZE: '2GB',
    FILE_RETENTION_DAYS: '-1',
    RATE_LIMIT_PER_MINUTE: '0',
    ALLOWED_USERS: 'ann',
    ADMIN_USERS: '1;2',
    MIN_FREE_DISK: 'much',
    STORAGE_QUOTA: '1G',
    USER_QUOTA: '-1',
    FETCHES_PER_BOT: '0',
    RETRY_DELAYS: '5;30',
    MAX_QUEUE_LENGTH: '0',
    MAX_ACTIVE_JOBS_PER_USER: '0',
    MAX_JOBS_PER_USER_PER_HOUR: '0',
    MAX_JOBS_PER_CHAT_PER_HOUR: '0',
    MAINTENANCE_MODE: 'maybe',
    ADMIN_TOKEN: 'short',
    CLAIM_CODE: 'short',
    LOG_LEVEL: 'loud',
  }
  const { code, lines } = await refused({ env })
  t.is(code, 1)
  t.deepEqual(lines.map(({ message }) => message.split(':', 1)[0]).sort(), Object.keys(env).sort())
  t.true(lines.every(({ level }) => level === 'fatal'))
})

test('an unknown role is named', async (t) => {
  const { code, lines } = await refused({ roles: ['bot', 'wbe' as 'web'] })
  t.is(code, 1)
  t.regex(lines[0]?.message ?? '', /unknown role wbe: the roles are bot and web/)
})

const impossible: [
  title: string,
  env: Record<string, string>,
  says: RegExp,
  prepare?: (dir: string) => Promise<unknown>,
][] = [
  [
    'a BOT_API_DIR that is not there',
    { BOT_API_DIR: '/nonexistent/bot-api' },
    /^BOT_API_DIR: .*cannot be read \(ENOENT\)$/,
  ],
  [
    'a STORAGE_PATH that is a file',
    { STORAGE_PATH: 'a-file/store' },
    /^STORAGE_PATH: .*cannot be written to \((ENOTDIR|EEXIST)\)$/,
    (dir) => writeFile(join(dir, 'a-file'), ''),
  ],
  [
    'a database folder that is a file',
    { DATABASE_URL: 'sqlite:a-file/x.db' },
    /^DATABASE_URL: .*cannot be opened for writing \((ENOTDIR|EEXIST)\)$/,
    (dir) => writeFile(join(dir, 'a-file'), ''),
  ],
  [
    'a BOT_API_DIR below /proc',
    { BOT_API_DIR: '/proc/bot-api/below' },
    /^BOT_API_DIR: .*cannot be read \(ENOENT\)$/,
  ],
  [
    'a STORAGE_PATH below /proc, where nobody can make a folder',
    { STORAGE_PATH: '/proc/store/below' },
    /^STORAGE_PATH: .*cannot be written to \(ENOENT\)$/,
  ],
  [
    'a STORAGE_PATH below /sys',
    { STORAGE_PATH: '/sys/store/below' },
    /^STORAGE_PATH: .*cannot be written to \(E(PERM|ACCES|ROFS)\)$/,
  ],
  [
    'a database below /proc',
    { DATABASE_URL: 'sqlite:/proc/db/below/x.db' },
    /^DATABASE_URL: .*cannot be opened for writing \(ENOENT\)$/,
  ],
  [
    'a database below /sys',
    { DATABASE_URL: 'sqlite:/sys/db/below/x.db' },
    /^DATABASE_URL: .*cannot be opened for writing \(E(PERM|ACCES|ROFS)\)$/,
  ],
  [
    'a socket in a folder that is not there',
    { SERVER_SOCKET: 'nowhere/web.sock' },
    /^SERVER_SOCKET: cannot listen/,
  ],
  [
    'a socket’s path where a file lies, which is left alone',
    { SERVER_SOCKET: 'a-file' },
    /^SERVER_SOCKET: a-file is there and is no socket$/,
    (dir) => writeFile(join(dir, 'a-file'), ''),
  ],
  [
    'a socket’s path longer than the system takes',
    { SERVER_SOCKET: 'x'.repeat(108) },
    /^SERVER_SOCKET: is too long: a UNIX socket may have 107 bytes/,
  ],
  [
    'a secret that no header can carry',
    { ADMIN_TOKEN: 'überaus-geheimes-Wort' },
    /^ADMIN_TOKEN: must be of ASCII characters without blanks$/,
  ],
  [
    'a port where the path of a socket belongs',
    { SERVER_SOCKET: '8000' },
    /^SERVER_SOCKET: must be a path, not a number: SERVER_PORT is for that$/,
  ],
  [
    'a database of a kind that nobody knows',
    { DATABASE_URL: 'mysql://u:p@localhost/tgdepot' },
    /^DATABASE_URL: must be sqlite:<path of the database file>, postgres:/,
  ],
  [
    'a database written as if it had a host',
    { DATABASE_URL: 'sqlite://x.db' },
    /^DATABASE_URL: must be sqlite:<path of the database file>/,
  ],
  [
    'a database in memory, which would end with the process',
    { DATABASE_URL: 'sqlite::memory:' },
    /^DATABASE_URL: must be sqlite:<path of the database file>/,
  ],
]

for (const [title, env, says, prepare] of impossible) {
  test(`${title} is one clear line, and the end`, async (t) => {
    const { code, lines } = await refused({ env: { TELEGRAM_BOT_TOKEN: token, ...env } }, prepare)
    t.is(code, 1)
    const [fatal, ...others] = lines.filter(({ level }) => level === 'fatal')
    t.regex(fatal?.message ?? '', says)
    t.deepEqual(others, [])
  })
}

test('settings that only the bot reads do not keep the web role from starting', async (t) => {
  const env = {
    RATE_LIMIT_PER_MINUTE: 'ten',
    FILE_RETENTION_DAYS: '-1',
    RETRY_DELAYS: 'x',
    ALLOWED_USERS: 'ann',
  }
  await using web = await startApp({ roles: ['web'], env })
  t.is((await web.get('/')).status, 200)
  const { code, lines } = await refused({ env: { TELEGRAM_BOT_TOKEN: token, ...env } })
  t.is(code, 1)
  t.is(lines.filter(({ level }) => level === 'fatal').length, 4)
})

test('a file that is no database is one clear line, and the end', async (t) => {
  const { code, lines } = await refused({ env: { TELEGRAM_BOT_TOKEN: token } }, async (dir) => {
    await mkdir(join(dir, 'db'))
    await writeFile(
      join(dir, 'db/tgdepot.db'),
      'this is no database, but it is long enough to be read as one '.repeat(50),
    )
  })
  t.is(code, 1)
  t.is(lines.length, 1)
  t.regex(lines[0]?.message ?? '', /^DATABASE_URL: /)
})

test('a damaged database is one clear line that says what to do', async (t) => {
  const { code, lines } = await refused({ env: { TELEGRAM_BOT_TOKEN: token } }, async (dir) => {
    await mkdir(join(dir, 'db'))
    const file = join(dir, 'db/tgdepot.db')
    const database = new DatabaseSync(file)
    database.exec(`CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)`)
    database.close()
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0xff, 100))
  })
  t.is(code, 1)
  t.is(lines.at(-1)?.level, 'fatal')
  t.regex(lines.at(-1)?.message ?? '', /^DATABASE_URL: .*is damaged, or no database.*put back a backup/)
})

test('a locked database is waited for, with a word, and not by dying again and again', async (t) => {
  await using app = await createApp({ env: { TELEGRAM_BOT_TOKEN: token } })
  await mkdir(join(app.dir, 'db'))
  const other = new DatabaseSync(app.databaseFile)
  other.exec('CREATE TABLE t (a); BEGIN EXCLUSIVE')
  app.spawn()
  await app.log(({ message }) => /is locked by another program: waiting/.test(message))
  other.exec('ROLLBACK')
  other.close()
  await app.log(({ message }) => message === 'bot: ready')
  t.is(await app.kill('SIGTERM'), 0)
})

test('a start that waits for the database ends when it is told to', async (t) => {
  await using app = await createApp({ env: { TELEGRAM_BOT_TOKEN: token } })
  await mkdir(join(app.dir, 'db'))
  const other = new DatabaseSync(app.databaseFile)
  t.teardown(() => other.close())
  other.exec('CREATE TABLE t (a); BEGIN EXCLUSIVE')
  app.spawn()
  await app.log(({ message }) => /is locked by another program: waiting/.test(message))
  t.is(await app.kill('SIGTERM'), 0)
})

test('a second bot on the same database is refused before it touches a file, and the web role is not', async (t) => {
  const env = { TELEGRAM_BOT_TOKEN: token }
  await using first = await createApp({ roles: ['bot'], env, login: false })
  await first.start()
  const partial = join(first.storage, 'incoming', 'half')
  await writeFile(partial, 'of the first')
  await using second = await createApp({ roles: ['bot'], env, dir: first.dir })
  second.spawn()
  t.is(await second.ended(), 1)
  t.regex(
    second.lines.at(-1)?.message ?? '',
    new RegExp(`another bot, process ${first.pid}, works with this`),
  )
  t.is(await readFile(partial, 'utf8'), 'of the first')
  await using web = await createApp({ roles: ['web'], dir: first.dir })
  await web.start()
  await first.kill('SIGKILL')
  second.spawn()
  await second.log(({ message }) => message === 'bot: ready')
})

test('--help names the owner’s commands', async (t) => {
  await using app = await createApp({})
  const help = await app.command('--help')
  for (const name of ['take-back', 'set-aside', 'confirm-clock', 'accept-store', 'owner', 'forget-owner'])
    t.true(help.includes(name), name)
})

test('a port that is taken is one clear line, and the end', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const { code, lines } = await refused({ env: { TELEGRAM_BOT_TOKEN: token, SERVER_PORT: String(port) } })
  t.is(code, 1)
  t.regex(lines.at(-1)?.message ?? '', /^SERVER_PORT: cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)$/)
})

test('under the units’ umask the database is writable for its group, which the web role is in', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api, roles: ['bot'], umask: '027' })
  await chmod(app.dir, 0o755)
  await app.start()
  for (const suffix of ['', '-wal', '-shm']) {
    t.is((await stat(app.databaseFile + suffix)).mode & 0o777, 0o660, `tgdepot.db${suffix}`)
  }
})

test('the web role needs no token and reads none', async (t) => {
  await using app = await createApp({
    roles: ['web'],
    env: { TELEGRAM_BOT_TOKEN: 'nonsense', TELEGRAM_API_URL: 'nonsense' },
  })
  await app.start()
  t.is((await app.get('/')).status, 200)
})
