import test from 'ava'
import { callApi, until } from './call-api.ts'
import { startBotApi } from './client.ts'

test('a waiting getUpdates is woken by a message', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const waiting = callApi(server, 'getUpdates', { timeout: 50 })
  await until(async () => (await server.calls('getUpdates'))[0])
  await server.sendText('/start now')
  const [update] = (await waiting).result
  t.like(update.message, { text: '/start now', chat: { id: 1001, type: 'private' } })
  t.deepEqual(update.message.entities, [{ type: 'bot_command', offset: 0, length: 6 }])
})

test('updates come again until a higher offset confirms them', async (t) => {
  await using server = await startBotApi()
  for (const text of ['1', '2', '3']) await server.sendText(text)
  const texts = async (params: object) =>
    (await callApi(server, 'getUpdates', params)).result.map(
      (update: { message: { text: string } }) => update.message.text,
    )
  t.deepEqual(await texts({ limit: 2 }), ['1', '2'])
  const { result } = await callApi(server, 'getUpdates')
  t.deepEqual(await texts({ offset: result[1].update_id }), ['2', '3'])
  t.deepEqual(await texts({ offset: -1 }), ['3'])
  t.deepEqual(await texts({ offset: result[2].update_id + 1 }), [])
})

test('what a killed server had queued, and what came while it was down, is delivered in order', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  await server.sendText('queued')
  await server.restart('SIGKILL')
  await server.sendText('while the bot was silent')
  await server.restart('SIGKILL')
  const { result } = await callApi(server, 'getUpdates', { timeout: 5 })
  t.deepEqual(
    result.map((update: { message: { text: string } }) => update.message.text),
    ['queued', 'while the bot was silent'],
  )
})

test('a second getUpdates ends the first with 409', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const first = callApi(server, 'getUpdates', { timeout: 50 })
  await until(async () => (await server.calls('getUpdates'))[0])
  const second = callApi(server, 'getUpdates', { timeout: 50 })
  const description =
    'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running'
  t.like(await first, { status: 409, description })
  await server.sendText('for the second')
  t.is((await second).result.length, 1)
})

test('an eager client that asks for the same again is held for three seconds', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getUpdates', { timeout: 0 })
  const start = Date.now()
  await callApi(server, 'getUpdates', { timeout: 0 })
  t.true(Date.now() - start >= 2900)
})

test('only the allowed kinds of updates are queued', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getUpdates', { allowed_updates: ['edited_message'] })
  const sent = await server.sendText('original')
  await server.edit({ ...sent, text: 'changed' })
  const { result } = await callApi(server, 'getUpdates', { timeout: 5 })
  t.is(result.length, 1)
  t.is(result[0].edited_message.text, 'changed')
})

test('a press of a button is a callback query that can be answered once', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  const reply_markup = { inline_keyboard: [[{ text: 'Retry', callback_data: 'retry:1' }]] }
  const { result: sent } = await callApi(server, 'sendMessage', {
    chat_id: 1001,
    text: 'Failed',
    reply_markup,
  })
  const { callback_query_id } = await server.press({
    chat_id: 1001,
    message_id: sent.message_id,
    data: 'retry:1',
  })
  const { result } = await callApi(server, 'getUpdates', { allowed_updates: [] })
  t.like(result.at(-1).callback_query, { data: 'retry:1', from: { id: 1001 }, message: { text: 'Failed' } })
  const answer = { callback_query_id, text: 'Again' }
  t.true((await callApi(server, 'answerCallbackQuery', answer)).result)
  t.like((await server.chat(1001)).answers, [{ callback_query_id, text: 'Again', show_alert: false }])
  t.regex((await callApi(server, 'answerCallbackQuery', answer)).description ?? '', /query is too old/)
  await t.throwsAsync(server.press({ chat_id: 1001, message_id: sent.message_id, data: 'other' }))
})

test('a user who blocks the bot is told of, and cannot be written to', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  await server.block(1001)
  const refused = await callApi(server, 'sendMessage', { chat_id: 1001, text: 'hi' })
  t.like(refused, { status: 403, description: 'Forbidden: bot was blocked by the user' })
  const { result } = await callApi(server, 'getUpdates')
  t.is(result.at(-1).my_chat_member.new_chat_member.status, 'kicked')
  await server.block(1001, false)
  t.true((await callApi(server, 'sendMessage', { chat_id: 1001, text: 'hi' })).ok)
})

test('a channel post reaches the bot without a sender, and its own posts do not come back', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const chat = { id: -1001234, type: 'channel', title: 'News' } as const
  await server.sendFile({ chat, name: 'a.zip' })
  await callApi(server, 'sendMessage', { chat_id: chat.id, text: 'mine' })
  const { result } = await callApi(server, 'getUpdates')
  t.is(result.length, 1)
  t.like(result[0].channel_post, {
    chat: { type: 'channel', title: 'News' },
    document: { file_name: 'a.zip' },
  })
  t.is(result[0].channel_post.from, undefined)
})
