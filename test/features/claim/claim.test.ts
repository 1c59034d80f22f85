import base, { type ExecutionContext } from 'ava'
import { type StandIn, startBotApi } from '../../bot-api/client.ts'
import { linkFor, saidIn } from '../../helpers/chat.ts'
import { onPostgres } from '../../helpers/database-in.ts'
import { type App, createApp, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const code = 'Zx9_abcDEF-0123456789q'
// Each has processes of its own.
const test = base.serial
/** What they break is a trigger in SQLite's words. */
const ofSqlite = onPostgres ? test.skip : test

const env = { CLAIM_CODE: code, LOG_LEVEL: 'trace' }
const [ann, bob] = [{ id: 8001 }, { id: 8002 }]

/** Writes to the bot and waits for its answer. */
async function ask(api: StandIn, text: string, from: { id: number }): Promise<string> {
  const { message_id } = await api.sendText(text, { from })
  const answer = await api.waitForMessage(
    from.id,
    (message) => message.from.is_bot && message.reply_to_message_id === message_id,
  )
  return answer.text ?? ''
}

const open = (api: StandIn, from: { id: number }) => ask(api, `/start ${code}`, from)

/** What the bot answers to a file that it does not take. */
async function refusal(api: StandIn, from: { id: number }): Promise<string> {
  const { message_id } = await api.sendFile({ from, seed: `refused ${from.id}` })
  const answer = await api.waitForMessage(from.id, (message) => message.reply_to_message_id === message_id)
  return answer.text ?? ''
}

const owner = async (app: App) => (await app.command('owner')).trim()

/** The code is in nothing that the program wrote. */
async function keepsCodeSecret(t: ExecutionContext, app: App, api: StandIn): Promise<void> {
  t.deepEqual(await app.filesWith(code), [])
  t.false(app.output.includes(code))
  for (const { id } of [ann, bob]) t.false((await saidIn(api, id)).join().includes(code))
}

test('nobody is served until someone opens the claim link; from then on the bot is theirs', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await app.log(({ message }) => /nobody owns the bot yet/.test(message))
  t.is(await owner(app), 'nobody yet')
  for (const text of ['/start', '/help', 'hello', `/${code}`]) {
    t.regex(await ask(api, text, ann), /^This bot has no owner yet\. If you installed it, open the link/)
  }
  t.regex(await refusal(api, ann), /was not taken: this bot has no owner yet\. If you installed it/)
  t.is((await api.calls('getFile')).length, 0)

  t.regex(await open(api, ann), /^This bot is yours now/)
  t.is(await owner(app), String(ann.id))
  t.regex(await ask(api, '/start', ann), /^Send me a file/)
  t.regex(await open(api, ann), /^Send me a file/, 'the link opened twice')
  await linkFor(api, await api.sendFile({ from: ann, name: `${code}.txt` }))
  t.is((await saidIn(api, ann.id)).filter((text) => /is yours/.test(text)).length, 1)

  for (const text of [`/start ${code}`, '/start another-code-of-22-xx']) {
    t.regex(await ask(api, text, bob), /^This bot has an owner already\. To use it, ask them .* 8002$/)
  }
  t.regex(await ask(api, '/start', bob), /^This bot is private/)
  t.regex(await refusal(api, bob), /this bot is private/)
  t.is(await app.kill('SIGTERM'), 0)
  await keepsCodeSecret(t, app, api)
})

test('who claims the bot and sends a file in the same breath is served', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api, env, roles: ['bot'] })
  await api.sendText(`/start ${code}`, { from: ann })
  const sent = await api.sendFile({ from: ann })
  await app.start()
  await linkFor(api, sent)
  t.is(app.sql('SELECT 1 FROM updates WHERE tries > 1').length, 0)
})

test('of two who open the link at the same moment one owns the bot, and both are told', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  const answers = await Promise.all([ann, bob].map((from) => open(api, from)))
  t.deepEqual(answers.map((text) => /^This bot (is yours|has an owner)/.exec(text)?.[1]).sort(), [
    'has an owner',
    'is yours',
  ])
  const winner = [ann, bob].find((_, at) => answers[at]?.startsWith('This bot is yours'))
  t.is(await owner(app), String(winner?.id))
})

test('a wrong code claims nothing, and few can be tried', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  for (let n = 0; n < 5; n++) {
    t.regex(
      await ask(api, `/start wrong-code-number-${n}`, bob),
      /^This is not the link that makes you the owner/,
    )
  }
  t.regex(await open(api, bob), /^Too many tries\. Wait ten minutes/, 'the right one is not looked at')
  await api.sendText(`/start ${code}`, { from: bob })
  await api.sendText(`/start ${code}`, { from: bob })
  t.regex(await open(api, ann), /^This bot is yours/, 'one person does not lock out another')
  t.is((await saidIn(api, bob.id)).length, 6)
  t.is(await owner(app), String(ann.id))
  await app.kill()
  await keepsCodeSecret(t, app, api)
})

test('in a group nothing is claimed', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  const chat = { id: -8100, type: 'group' as const, title: 'Friends' }
  await api.sendText(`/start ${code}`, { from: ann, chat })
  const { message_id } = await api.sendText(`/start${api.mention} ${code}`, { from: ann, chat })
  await api.waitForMessage(chat.id, ({ reply_to_message_id }) => reply_to_message_id === message_id)
  t.is(await owner(app), 'nobody yet')
  await app.kill()
  await keepsCodeSecret(t, app, api)
})

test('named users and administrators are served before the claim, which stays open', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api, env: { ...env, ALLOWED_USERS: '8003', ADMIN_USERS: '8004' } })
  for (const id of [8003, 8004]) await linkFor(api, await api.sendFile({ from: { id } }))
  t.regex(await ask(api, 'hello', bob), /^This bot is private. To use it, ask its owner/)
  t.regex(await open(api, ann), /^This bot is yours/)
  for (const id of [8003, 8004, ann.id]) await linkFor(api, await api.sendFile({ from: { id } }))
  t.regex(await open(api, bob), /has an owner already/)
  t.regex(await open(api, { id: 8004 }), /^Send me a file/)
})

test('the owner stays over restarts and with another bot, whose claim link is worth nothing', async (t) => {
  await using api = await startBotApi()
  await using young = await startBotApi()
  await using app = await startApp({ api, env })
  await open(api, ann)
  await app.restart()
  await linkFor(api, await api.sendFile({ from: ann }))
  await app.restart('SIGTERM', {
    TELEGRAM_BOT_TOKEN: young.token,
    TELEGRAM_API_URL: young.url,
    BOT_API_DIR: young.dir,
  })
  t.regex(await open(young, bob), /has an owner already/)
  await linkFor(young, await young.sendFile({ from: ann }))
  t.is(await owner(app), String(ann.id))
})

test('without the code all is as if nobody had claimed the bot, and the log says so', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await open(api, ann)
  await app.restart('SIGTERM', { CLAIM_CODE: undefined })
  await app.log(
    ({ level, message }) => level === 'warn' && /counts for nothing without CLAIM_CODE/.test(message),
  )
  t.regex(await ask(api, '/start some-parameter', bob), /^Send me a file/)
  await app.restart('SIGTERM', { CLAIM_CODE: undefined, ALLOWED_USERS: String(bob.id) })
  t.regex(await ask(api, 'hello', ann), /^This bot is private/)
})

test('the owner hears of trouble like an administrator', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await open(api, ann)
  await app.restart('SIGTERM', { MIN_FREE_DISK: '999999999999999' })
  await api.waitForMessage(ann.id, ({ text }) => /disk is nearly full/.test(text ?? ''), 30_000)
  t.pass()
})

test('an owner who is forgotten has no say any more while the bot runs, and the link counts again', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  t.regex(await app.command('forget-owner'), /^Nobody has claimed the bot/)
  await open(api, ann)
  t.regex(await app.command('forget-owner'), /^8001 does not own the bot any more.*change CLAIM_CODE first/)
  t.regex(await ask(api, 'hello', ann), /has no owner yet/)
  t.regex(await open(api, bob), /^This bot is yours/)
  t.regex(await open(api, ann), /has an owner already/)
  t.is(await owner(app), String(bob.id))
})

/** Until it is dropped, no claim can be recorded. */
const trouble = `CREATE TRIGGER trouble BEFORE INSERT ON bot_owner BEGIN SELECT RAISE(ABORT, 'no'); END`

ofSqlite(
  'a kill -9 between the message and its record loses no claim, and none is answered twice',
  async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api, env })
    app.sql(trouble)
    await api.sendText(`/start ${code}`, { from: ann })
    await app.log(({ message }) => message === 'update failed')
    await app.kill('SIGKILL')
    t.is(await owner(app), 'nobody yet')
    t.deepEqual(await app.filesWith(code), [])
    app.sql('DROP TRIGGER trouble')
    await app.start()
    await api.waitForMessage(ann.id, ({ text }) => /^This bot is yours/.test(text ?? ''))
    t.is(await owner(app), String(ann.id))
    t.is((await saidIn(api, ann.id)).length, 1)
  },
)

test('a kill -9 between the record and the message to the owner sends it once', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  // Telegram takes the message, and the bot never hears of it.
  await api.fault({ method: 'sendMessage', hang: true, after: true })
  await api.sendText(`/start ${code}`, { from: ann })
  await until('the message is on its way', async () => (await api.calls('sendMessage')).length > 0)
  await app.restart('SIGKILL')
  t.is(await owner(app), String(ann.id))
  await until(
    'nothing waits',
    () => app.sql('SELECT 1 FROM messages WHERE sent_revision < revision').length === 0,
    40_000,
  )
  await linkFor(api, await api.sendFile({ from: ann }))
  t.is((await saidIn(api, ann.id)).filter((text) => /is yours/.test(text)).length, 1)
})

ofSqlite(
  'a claim that cannot be recorded is put aside without the code, told of, and can be made again',
  async (t) => {
    t.timeout(60_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, env })
    app.sql(trouble)
    await api.sendText(`/start ${code}`, { from: ann })
    await api.waitForMessage(ann.id, ({ text }) => /^Something went wrong/.test(text ?? ''), 30_000)
    t.is(app.sql(`SELECT 1 FROM updates WHERE body LIKE '%gives_start_code%' AND handled_at > 0`).length, 1)
    await keepsCodeSecret(t, app, api)
    app.sql('DROP TRIGGER trouble')
    t.regex(await open(api, ann), /^This bot is yours/)
  },
)

test('a database of the release before takes a claim', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await linkFor(api, await api.sendFile({ from: bob }))
  await app.kill('SIGTERM')
  app.sql('DROP TABLE bot_owner')
  app.sql(`DELETE FROM migrations WHERE name = 'users-1'`)
  await app.start(env)
  t.regex(await open(api, ann), /^This bot is yours/)
  t.regex(await refusal(api, bob), /this bot is private/)
})
