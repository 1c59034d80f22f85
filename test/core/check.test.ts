import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { createApp, startApp } from '../helpers/start-app.ts'

const example = join(import.meta.dirname, '../../deploy/env.example')

/** The two roles read one file of settings. */
for (const role of ['bot', 'web']) {
  test(`the ${role} role takes a file that names every setting there is, its own and the other's`, async (t) => {
    await using api = await startBotApi()
    await using app = await createApp({ api })
    const SETTINGS_FILE = join(app.dir, 'tgdepot.env')
    const names = [...(await readFile(example, 'utf8')).matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name)
    t.true(names.length > 30)
    await writeFile(SETTINGS_FILE, names.map((name) => `${name}=\n`).join(''))
    const env = { SETTINGS_FILE, TELEGRAM_BOT_TOKEN: api.token }
    t.is(await app.command(`--check ${role}`, env), '')
    await writeFile(SETTINGS_FILE, 'ALOWED_USERS=42\n')
    const error = await t.throwsAsync<Error & { stderr: string }>(app.command(`--check ${role}`, env))
    t.is(error?.stderr, 'ALOWED_USERS: no such setting; is ALLOWED_USERS meant?\n')
  })
}

test('of a store that is not there the role that touches it complains, and no other', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api })
  await app.start()
  await app.kill('SIGTERM')
  await rename(app.storage, `${app.storage}.away`)
  t.is(await app.command('--check web'), '')
  const error = await t.throwsAsync<Error & { stderr: string }>(
    app.command('--check bot', { TELEGRAM_BOT_TOKEN: api.token }),
  )
  t.regex(error?.stderr ?? '', /^STORAGE_PATH: the store is not at .*\n$/)
})

test('of a new database beside the files of another one the role that would be stopped by it complains', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await linkFor(api, await api.sendFile())
  await app.kill('SIGTERM')
  const check = (env: Record<string, string>) =>
    app.command('--check bot', { TELEGRAM_BOT_TOKEN: api.token, ...env })
  t.is(await check({}), '')
  const error = await t.throwsAsync<Error & { stderr: string }>(
    check({ DATABASE_URL: `sqlite:${join(app.dir, 'mistyped.sqlite')}` }),
  )
  t.regex(
    error?.stderr ?? '',
    /^DATABASE_URL: this database is empty, and .* holds the files of another one\./,
  )
})

test('a check of a database that is older than the release says what it lacks, and is no fault', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  t.is(await app.command('--check web'), '')
  await app.kill('SIGTERM')
  app.sql("DELETE FROM migrations WHERE name = 'upkeep-3'")
  t.is(await app.command('--check web'), 'the database is to be changed first: upkeep-3\n')
})
