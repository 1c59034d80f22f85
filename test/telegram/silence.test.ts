import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

test('chats for which Telegram does not answer hold up no other one', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api })
  const silent = Array.from({ length: 20 }, (_, at) => 9000 + at)
  for (const chat_id of silent) await api.fault({ method: '*', chat_id, hang: true, count: -1 })
  for (const id of silent) await api.sendFile({ from: { id }, size: 100, seed: id })
  await until('many are on their way', async () => {
    const calls = await api.calls('sendMessage')
    return calls.length >= 16
  })
  await linkFor(api, await api.sendFile({ from: { id: 9100 }, size: 100, seed: 'other' }), 20_000)
  t.pass()
})

test('presses that Telegram does not take hold up nothing else, and are answered when it does', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api })
  const error = { error_code: 400, description: 'Bad Request: something new' }
  await api.fault({ method: 'getFile', error })
  const { chat_id } = await api.sendFile()
  const { message_id, inline_keyboard } = await api.waitForMessage(chat_id, ({ text }) =>
    /Press Retry/.test(text ?? ''),
  )
  const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
  await api.fault({ method: 'answerCallbackQuery', hang: true, count: -1 })
  for (let id = 9200; id < 9300; id++) await api.press({ from: { id }, chat_id, message_id, data })
  await linkFor(api, await api.sendFile({ from: { id: 9300 }, size: 100, seed: 'other' }), 20_000)
  await api.clearFaults()
  await api.press({ from: { id: 9301 }, chat_id, message_id, data })
  await until('it is answered', async () => (await api.chat(chat_id)).answers.length > 0, 40_000)
  t.pass()
})
