import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { createApp, startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'
import { type Copy, copyWithExample } from './copy.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const ann = { id: 515101, first_name: 'Ann' }

let copy: Copy
test.before(async () => {
  copy = await copyWithExample()
})
test.after.always(async () => await copy?.[Symbol.asyncDispose]())

test('a feature that was only added to the list has its command, job, table, page, figures and part of /health', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({
    api,
    program: copy.dir,
    roles: ['bot', 'web'],
    env: { MAX_NOTE_LENGTH: '30' },
  })
  const { chat_id } = await api.sendText('/note one two <three>', { from: ann })
  await api.waitForMessage(chat_id, ({ text }) => text === 'Noted. The words are being counted.')
  await api.waitForMessage(chat_id, ({ text }) => text === 'Your note has 3 words.')
  await api.sendText(`/note ${'long '.repeat(10)}`, { from: ann })
  await api.waitForMessage(
    chat_id,
    ({ text }) => text === 'A note may have 30 characters. Send a shorter one.',
  )

  const page = await app.get('/notes')
  t.is(page.status, 200)
  t.true(page.body.toString().includes('<ul><li>one two &lt;three&gt; (3)</li></ul>'))
  t.is(page.headers['x-robots-tag'], 'noindex')
  const twin = await app.get('/notes', { headers: { accept: 'application/json' } })
  t.deepEqual(JSON.parse(twin.body.toString()), { notes: [{ words: 'one two <three>', counted: 3 }] })

  const part = async () => JSON.parse((await app.get('/health')).body.toString()).parts.notes
  t.deepEqual(await part(), { ok: false, detail: 'not reported yet: the notes role has not started' })
  const env = { STORAGE_PATH: app.storage, DATABASE_URL: `sqlite:${app.databaseFile}` }
  await using notes = await startApp({ program: copy.dir, roles: ['notes'], env })
  t.deepEqual(await part(), { ok: true, detail: '0 to be counted' })
  t.is(await notes.kill('SIGTERM'), 0)

  await app.restart()
  const metrics = await until(
    'the figures of the bot role',
    async () => {
      const text = (await app.get('/metrics')).body.toString()
      return text.includes('\ntgdepot_notes 1\n') && text
    },
    25_000,
  )
  t.regex(metrics, /^# TYPE tgdepot_notes_refused_total counter\ntgdepot_notes_refused_total 1$/m)
  t.regex(metrics, /^tgdepot_part_ok\{part="notes"\} 1$/m)

  t.is(JSON.parse(await app.command(`export-user ${ann.id}`)).notes[0].words, 'one two <three>')
  t.regex(await app.command(`erase-user ${ann.id} --yes`), /^Removed of 515101: 1 note, /)
  t.deepEqual(app.sql('SELECT * FROM notes'), [])
})

test('without a role its own runs in the one process too', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, program: copy.dir })
  await app.log(({ message }) => message === 'notes: ready')
  t.like(JSON.parse((await app.get('/health')).body.toString()).parts, { notes: { ok: true } })
  t.is(await app.kill('SIGTERM'), 0)
})

test('its setting is refused when it is wrong, and its name is known in every role', async (t) => {
  await using app = await createApp({ program: copy.dir, roles: ['notes'], env: { MAX_NOTE_LENGTH: 'much' } })
  app.spawn()
  t.is(await app.ended(), 1)
  t.deepEqual(
    app.lines.map(({ message }) => message),
    ['MAX_NOTE_LENGTH: must be a whole number from 1 to 1000'],
  )
  const error = await t.throwsAsync<Error & { stderr: string }>(
    app.command('--check web', { MAX_NOTE_LENGTH: '', MAX_NOTE_LENGHT: '5' }),
  )
  t.is(error?.stderr, 'MAX_NOTE_LENGHT: no such setting; is MAX_NOTE_LENGTH meant?\n')
})

test('the installer knows which files its role loads, and which are the others’', async (t) => {
  const filesOf = async (role: string) => {
    const { stdout } = await run('perl', [join(root, 'deploy/modules.pl'), role], { cwd: copy.dir })
    return stdout.trim().split('\n')
  }
  const mine = { notes: 'notes.ts', bot: 'bot.ts', web: 'web.ts' }
  for (const role of Object.keys(mine)) {
    const files = await filesOf(role)
    for (const [owner, name] of Object.entries(mine)) {
      t.is(files.includes(`app/features/notes/${name}`), owner === role, `${name} of ${role}`)
    }
    t.true(files.includes('app/features/notes/settings.ts'), role)
  }
})

test('the rules of the architecture and of the manifest hold with it', async (t) => {
  const ava = join(root, 'node_modules/.bin/ava')
  const { stdout } = await run(ava, ['test/architecture.test.ts', 'test/deploy/manifest.test.ts'], {
    cwd: copy.dir,
  })
  t.regex(stdout, /tests passed/)
})
