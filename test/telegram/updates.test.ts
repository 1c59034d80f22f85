import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'

test('an update that fails each time is put aside after three tries, and those behind it in its chat are served', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const [from, chat] = [{ id: 5 }, { id: 5, type: 'private' }]
  const { message_id } = await api.sendText('/start', { from })
  const document = { file_id: 'x', file_unique_id: 'x' }
  // A moment that no calendar has.
  const message = { message_id, date: 1e20, from, chat, document }
  const body = JSON.stringify({ update_id: 1, message })
  const sql = 'INSERT INTO updates (bot_id, update_id, chat_id, body, received_at) VALUES (?, 1, 5, ?, ?)'
  app.sql(sql, api.botId, body, Date.now())
  await linkFor(api, await api.sendFile({ from }), 20_000)
  const failed = app.lines.filter((line) => line.message === 'update failed')
  t.deepEqual(
    failed.map(({ tries }) => tries),
    [1, 2, 3],
  )
  t.is(app.lines.filter((line) => /put aside/.test(line.message)).length, 1)
  const told = await api.waitForMessage(5, ({ text }) =>
    /Something went wrong on the server/.test(text ?? ''),
  )
  t.is(told.reply_to_message_id, message_id)
  t.deepEqual(
    app.sql('SELECT body FROM updates WHERE update_id = 1'),
    [{ body }],
    'it is kept to be looked into',
  )
})

test('what was sent while the app was down is answered after its start, in order', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await app.kill('SIGTERM')
  const texts = ['/start', 'hello', '/help']
  for (const text of texts) await api.sendText(text)
  const sent = await api.sendFile()
  await app.start()
  await linkFor(api, sent)
  const said = await saidIn(api, 1001)
  t.deepEqual(
    said.slice(0, 3).map((text) => /^(Send|That)/.exec(text)?.[0]),
    ['Send', 'That', 'Send'],
  )
})

test('updates of a kind that the app does not know of do no harm', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api })
  const { message_id, chat_id } = await api.sendText('hello')
  await api.waitForMessage(chat_id, ({ from }) => from.is_bot)
  await api.edit({ chat_id, message_id, text: 'hello there' })
  await api.block(1001)
  await api.block(1001, false)
  await linkFor(api, await api.sendFile())
  t.is((await saidIn(api, 1001)).length, 2)
})
