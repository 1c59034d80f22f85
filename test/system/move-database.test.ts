import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { type Database, openDatabase } from '../../app/core/database/database.ts'
import { Leadership } from '../../app/core/database/leadership.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { findPostgres, type Server, startPostgres } from '../helpers/postgres.ts'
import { allMigrations } from '../helpers/records.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, '../../app/main.ts')
const isThere = (await findPostgres()) !== undefined
const onPostgres = isThere ? test.serial : test.skip

let server: Server
if (isThere) {
  test.before(async () => {
    server = await startPostgres()
  })
  test.after.always(() => server[Symbol.asyncDispose]())
}

interface Place {
  dir: string
  /** Of a database of SQLite that is not there yet. */
  file: string
  open(url: string): Promise<Database>
  move(...words: string[]): Promise<string>
}

async function place(t: ExecutionContext): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-move-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = `sqlite:${dir}/db/old.db`
  const env = { DATABASE_URL: file, STATE_DIRECTORY: dir }
  return {
    dir,
    file,
    open: (url) => openDatabase({ DATABASE_URL: url, STATE_DIRECTORY: dir }, allMigrations),
    async move(...words) {
      const { stdout } = await run(process.execPath, [main, 'move-database', ...words], { env, cwd: dir })
      return stdout
    },
  }
}

const links = 1234

/** Rows of several tables: more than one batch, ids beyond 32 bits, texts of any language, values that are missing. */
async function fill(database: Database): Promise<void> {
  const { default: pino } = await import('pino')
  const jobs = new Jobs(database, pino({ level: 'silent' }))
  await database.transaction(async () => {
    for (let at = 0; at < links; at++) {
      await database.query(
        `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id, message_id,
           created_at, expires_at) VALUES ($1, $2, $3, 'a/b', $4, $5, 1, 'id', $6, 1, $7, $8)`,
        randomUUID(),
        2 ** 40 + at,
        `Жук ' \u{1f389} ${at}`,
        at,
        `content ${at}`,
        -(10 ** 12) - at,
        Date.now(),
        at % 2 === 0 ? null : Date.now(),
      )
    }
    for (let user = 1; user <= 20; user++) {
      const payload = z.object({ user: z.int() })
      const type = { name: 'test', payload, holds: () => ({ bytes: 1 }) }
      await jobs.create(type, { key: `key ${user}`, botId: 1, userId: user, chatId: user, payload: { user } })
    }
  })
}

const contents = async (database: Database) => ({
  links: await database.query('SELECT * FROM links ORDER BY user_id'),
  jobs: await database.query('SELECT * FROM jobs ORDER BY id'),
  events: await database.query('SELECT * FROM job_events ORDER BY id'),
})

onPostgres(
  'all rows are there after a move to PostgreSQL, ids go on, and a move back gives the same',
  async (t) => {
    const { dir, file, open, move } = await place(t)
    const before = await (async () => {
      await using database = await open(file)
      await fill(database)
      return await contents(database)
    })()
    t.is(before.links.length, links)
    const url = await server.createDatabase()
    const said = await move(url)
    t.regex(
      said,
      /^1294 rows of \d+ tables moved from .*old\.db to the PostgreSQL database .*, and compared\.\nNow set/,
    )
    {
      await using moved = await open(url)
      t.deepEqual(await contents(moved), before)
      const [added] = await moved.query<{ id: number }>(
        "INSERT INTO job_events (job_id, event_type, data, created_at) VALUES (1, 'x', '{}', 1) RETURNING id",
      )
      t.is(added?.id, before.events.length + 1)
      await moved.query("DELETE FROM job_events WHERE event_type = 'x'")
    }
    await move(url, `sqlite:${dir}/back.db`)
    await using back = await open(`sqlite:${dir}/back.db`)
    t.deepEqual(await contents(back), before)
  },
)

onPostgres('a database that has rows is not moved into, and nothing is moved while a bot runs', async (t) => {
  const { file, open, move } = await place(t)
  await (await open(file))[Symbol.asyncDispose]()
  const url = await server.createDatabase()
  await using target = await open(url)
  await target.query("INSERT INTO store (id, recorded_at) VALUES ('x', 1)")
  const said = async (...words: string[]) => (await t.throwsAsync(move(...words)))?.message ?? ''
  t.regex(await said(url), /the new database is not empty: its table store has rows/)
  t.regex(await said(file), /both addresses are of the same database/)
  t.regex(await said('nonsense'), /move-database: an address must be sqlite:/)
  const log = (await import('pino')).default({ level: 'silent' })
  await using leader = new Leadership({ database: target, log, self: 'a bot' })
  t.true(await leader.take())
  t.regex(await said(url, `${file}-2`), /a bot works with the PostgreSQL database .*: stop it first/)
  await using bot = await open(file)
  await using held = await bot.lock()
  t.truthy(held)
  t.regex(await said(url), /another bot.* works with this database/)
})

onPostgres('a move that does not arrive as it was leaves the new database empty', async (t) => {
  const { file, open, move } = await place(t)
  {
    await using database = await open(file)
    await database.query("INSERT INTO store (id, recorded_at) VALUES ('x', 1)")
    // SQLite takes it, PostgreSQL does not.
    await database.query("UPDATE store SET recorded_at = 'never'")
  }
  const url = await server.createDatabase()
  await t.throwsAsync(move(url), { message: /the table store cannot be moved \(.*\); nothing was moved/ })
  await using target = await open(url)
  t.deepEqual(await target.query('SELECT * FROM store'), [])
})
