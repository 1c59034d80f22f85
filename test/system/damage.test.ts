import { randomBytes } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

/** A bad disk: the first page of a table is nonsense. */
async function damage({ databaseFile }: App, table: string): Promise<void> {
  const database = new DatabaseSync(databaseFile)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const { page } = database
    .prepare('SELECT rootpage AS page FROM sqlite_schema WHERE name = ?')
    .get(table) as {
    page: number
  }
  const { page_size: size } = database.prepare('PRAGMA page_size').get() as { page_size: number }
  database.close()
  const file = await open(databaseFile, 'r+')
  await file.write(randomBytes(size), 0, size, (page - 1) * size)
  await file.close()
}

test('damage in the database that is met at work is told to the owner, and is no good health', async (t) => {
  const owner = 9001
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { ADMIN_USERS: String(owner) } })
  await api.sendText('/start', { from: { id: owner } })
  const before = await linkFor(api, await api.sendFile({ from: { id: 1 } }))
  await app.kill('SIGTERM')
  await damage(app, 'job_events')
  await app.start()
  await api.sendFile({ from: { id: 2 }, seed: 'other' })
  await api.waitForMessage(owner, ({ text }) => /The database is damaged/.test(text ?? ''), 30_000)
  await api.waitForMessage(2, ({ text }) => /Something went wrong on the server/.test(text ?? ''), 30_000)
  await until(
    'health says so',
    async () => {
      const { status, text } = await app.get('/health')
      return status === 503 && /the database is damaged/.test(text)
    },
    30_000,
  )
  t.is((await app.get(before.path)).status, 200)
})

test('a database that is removed while the bot runs makes no links that would go with it', async (t) => {
  const owner = 9001
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { ADMIN_USERS: String(owner) } })
  await api.sendText('/start', { from: { id: owner } })
  await linkFor(api, await api.sendFile({ from: { id: 1 } }))
  const move = async (from: string, to: string) => {
    for (const part of ['', '-wal', '-shm']) {
      await rename(`${app.databaseFile}${from}${part}`, `${app.databaseFile}${to}${part}`)
    }
  }
  await move('', '.aside')
  await api.waitForMessage(owner, ({ text }) => /was removed or replaced/.test(text ?? ''), 30_000)
  const sent = await api.sendFile({ from: { id: 2 }, seed: 'other' })
  await api.waitForMessage(2, ({ text }) => /Received/.test(text ?? ''))
  await until(
    'health says so',
    async () => /the database was removed or replaced/.test((await app.get('/health')).text),
    30_000,
  )
  t.is((await api.calls('getFile')).length, 1)
  await move('.aside', '')
  await linkFor(api, sent)
})

test('damage in the database that is met at the start is named in a sentence', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await linkFor(api, await api.sendFile())
  await app.kill('SIGTERM')
  await damage(app, 'links')
  app.spawn()
  t.is(await app.ended(), 1)
  t.regex(app.lines.at(-1)?.message ?? '', /^DATABASE_URL: the database is damaged; put back a backup$/)
})
