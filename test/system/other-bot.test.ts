import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const owner = 9002

test('with the token of another bot the jobs of the one before end, and hold nothing up; its chats hear of it should it come back', async (t) => {
  t.timeout(90_000)
  await using old = await startBotApi()
  await using young = await startBotApi()
  const env = { ...wide, ADMIN_USERS: String(owner) }
  await using app = await createApp({ api: old, roles: ['bot'], env })
  await app.start()
  await old.settings({ download_bytes_per_second: 1000 })
  const sent = await Promise.all(
    [1, 2, 3].map((id) => old.sendFile({ from: { id }, size: 1_000_000, seed: id })),
  )
  await until('all have come', () => app.sql('SELECT 1 FROM jobs').length === 3)
  await until('one runs', () => app.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length > 0)
  await app.kill('SIGKILL')

  const another = { TELEGRAM_BOT_TOKEN: young.token, TELEGRAM_API_URL: young.url, BOT_API_DIR: young.dir }
  await young.sendText('/start', { from: { id: owner } })
  await app.start(another)
  await app.log(({ message, jobs }) => /the token is that of another bot/.test(message) && jobs === 3)
  t.deepEqual(app.sql('SELECT DISTINCT status, error_type FROM jobs'), [
    { status: 'FAILED', error_type: 'OTHER_BOT' },
  ])
  await young.waitForMessage(owner, ({ text }) => /another bot than before\. 3 files/.test(text ?? ''))
  await linkFor(young, await young.sendFile({ from: { id: 1 }, seed: 'new' }))
  t.deepEqual(await young.calls('getFile').then((calls) => calls.length), 1)
  t.notRegex(
    (await saidIn(young, 1)).join('\n'),
    /another bot/,
    'the new bot knows nothing of the old one’s chats',
  )
  await app.kill('SIGTERM')

  await old.settings({ download_bytes_per_second: null })
  await app.start()
  const { inline_keyboard, message_id } = await old.waitForMessage(1, ({ text }) =>
    /was switched to another bot/.test(text ?? ''),
  )
  const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
  await old.press({ from: { id: 1 }, chat_id: 1, message_id, data })
  await linkFor(old, sent[0] ?? t.fail())
  t.pass()
})

test('files that waited for their turn are told of by the bot that they were sent to', async (t) => {
  t.timeout(90_000)
  await using old = await startBotApi()
  await using young = await startBotApi()
  await using app = await createApp({
    api: old,
    roles: ['bot'],
    env: { ...wide, RATE_LIMIT_PER_MINUTE: '1' },
  })
  await app.start()
  await old.settings({ download_bytes_per_second: 1000 })
  for (const seed of [1, 2, 3]) await old.sendFile({ from: { id: 1 }, size: 1_000_000, seed })
  await old.waitForMessage(1, ({ text }) => /^2 files wait/.test(text ?? ''))
  await app.kill('SIGKILL')
  await app.start({ TELEGRAM_BOT_TOKEN: young.token, TELEGRAM_API_URL: young.url, BOT_API_DIR: young.dir })
  await linkFor(young, await young.sendFile({ from: { id: 2 }, seed: 'new' }))
  t.deepEqual(await saidIn(young, 1), [])
  await app.kill('SIGTERM')
  await app.start()
  const given = async () => (await saidIn(old, 1)).filter((text) => /was switched to another bot/.test(text))
  await until('all are told', async () => (await given()).length === 3)
  await old.waitForMessage(1, ({ text }) => /^All 2 files that had to wait/.test(text ?? ''))
})
