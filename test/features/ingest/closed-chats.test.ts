import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { go, heldFile, linkFor, linkIn, saidIn } from '../../helpers/chat.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const refused = (app: App) =>
  until('a message is refused', () => app.sql('SELECT id FROM messages WHERE failure IS NOT NULL').length > 0)

test('a link that was made while the bot was blocked arrives when it is unblocked', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const sent = await heldFile(api)
  await api.block(sent.chat_id)
  await go(api)
  // It may have been the progress that was refused.
  await until('the link is made', () => app.sql('SELECT uuid FROM links').length > 0)
  await refused(app)
  t.is((await saidIn(api, sent.chat_id)).filter((text) => /download/.test(text)).length, 0)
  await app.restart('SIGKILL')
  await api.block(sent.chat_id, false)
  await linkFor(api, sent)
  t.is((await saidIn(api, sent.chat_id)).length, 1)
})

test('so does a word of the user, when nobody told of the unblocking', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const sent = await heldFile(api)
  const error = { error_code: 403, description: 'Forbidden: bot was blocked by the user' }
  await api.fault({ method: '*', chat_id: sent.chat_id, error, count: -1 })
  await go(api)
  await refused(app)
  await api.clearFaults()
  await api.sendText('/start')
  await linkFor(api, sent)
  t.pass()
})

test('nothing is fetched for a group that takes no message, and Retry makes up for it', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const chat = { id: -1_000_000_000_077, type: 'supergroup' as const, title: 'Mute' }
  await api.sendText('/help', { chat })
  await api.setMembership(chat.id, 'restricted')
  const sent = await api.sendFile({ chat, size: 30_000_000, name: 'film.mkv', caption: api.mention })
  const [job] = await until('the job has ended', () => {
    const rows = app.sql<{ id: number }>(`SELECT id FROM jobs WHERE error_type = 'CHAT_CLOSED'`)
    return rows.length > 0 && rows
  })
  t.is((await api.calls('getFile')).length, 0)
  t.deepEqual(app.sql('SELECT status FROM jobs'), [{ status: 'FAILED' }])

  await api.setMembership(chat.id, 'member')
  const told = await api.waitForMessage(chat.id, ({ text }) =>
    /could not write in this chat/.test(text ?? ''),
  )
  t.is(told.reply_to_message_id, sent.message_id)
  const { message_id } = told
  await api.press({ chat_id: chat.id, message_id, data: `retry:${job?.id}` })
  await linkFor(api, sent)
})

test('old words that a chat has refused stay unsaid when it opens; its links do not', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const sent = await heldFile(api)
  await api.sendText('hello')
  await api.waitForMessage(sent.chat_id, ({ text }) => /^That is not a file/.test(text ?? ''))
  const error = { error_code: 403, description: 'Forbidden: bot was blocked by the user' }
  await api.fault({ method: '*', chat_id: sent.chat_id, count: -1, error })
  await go(api)
  await api.sendText('hello again')
  await until('both are refused', () => {
    return app.sql('SELECT id FROM messages WHERE failure IS NOT NULL').length >= 2
  })
  app.sql('UPDATE messages SET created_at = created_at - 2 * 86400000')
  await api.clearFaults()
  const before = (await saidIn(api, sent.chat_id)).length
  await api.sendText('/help')
  await linkFor(api, sent)
  await api.waitForMessage(sent.chat_id, ({ text }) => /^Send me a file/.test(text ?? ''))
  t.is((await saidIn(api, sent.chat_id)).length, before + 1)
})

test('a chat that is closed again and again makes no loop', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const sent = await heldFile(api)
  const error = { error_code: 403, description: 'Forbidden: user is deactivated' }
  await api.fault({ method: 'editMessageText', count: -1, error })
  await go(api)
  await refused(app)
  const since = Date.now()
  for (const text of ['/help', 'hello']) await api.sendText(text)
  await until('both are answered', async () => (await saidIn(api, sent.chat_id)).length === 3)
  await refused(app)
  t.true((await api.calls('editMessageText', since)).length <= 2)
})

for (const [title, silent] of [
  ['whose service message comes', false],
  ['which only a refusal tells', true],
] as const) {
  test(`a group that becomes a supergroup, ${title}, gets its link there`, async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api })
    const [from, to] = [-4711, -1_000_000_004_711]
    await api.settings({ download_bytes_per_second: 0 })
    const chat = { id: from, type: 'group' as const, title: 'Friends' }
    await api.sendFile({ chat, caption: api.mention })
    await api.waitForMessage(from, (message) => message.from.is_bot)
    await api.migrate(from, to, { silent })
    await go(api)
    const { text } = await api.waitForMessage(to, (message) => linkIn(message) !== undefined)
    t.truthy(text)
    t.deepEqual(app.sql('SELECT chat_id FROM jobs'), [{ chat_id: to }])
    await until(
      'the message is recorded',
      () => app.sql('SELECT 1 FROM messages WHERE sent_revision = revision').length > 0,
    )
    t.deepEqual(app.sql('SELECT DISTINCT chat_id FROM messages'), [{ chat_id: to }])
    t.deepEqual(app.sql('SELECT chat_id FROM links'), [{ chat_id: to }])
  })
}
