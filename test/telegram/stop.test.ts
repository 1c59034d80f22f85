import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { TelegramApi } from '../../app/telegram/api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

for (const after of [false, true]) {
  test(`a stop does not wait for a message that hangs${after ? ', though Telegram has taken it' : ''}; it is sent once`, async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api })
    await api.fault({ method: 'sendMessage', hang: true, ...(after && { after }) })
    const sent = await api.sendFile()
    await until('the call hangs', async () => (await api.calls('sendMessage')).length === 1)
    const since = performance.now()
    t.is(await app.kill('SIGTERM'), 0)
    const took = performance.now() - since
    t.true(took < 6000, `${took} ms`)
    await app.start()
    await linkFor(api, sent)
    t.is((await saidIn(api, sent.chat_id)).length, 1)
  })
}

test('a stop ends a press of a button whose answer hangs', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.fault({
    method: 'getFile',
    error: { error_code: 400, description: 'Bad Request: something new' },
  })
  const { chat_id } = await api.sendFile()
  const { message_id, inline_keyboard } = await api.waitForMessage(
    chat_id,
    (m) => m.inline_keyboard !== undefined,
  )
  await api.fault({ method: 'answerCallbackQuery', hang: true })
  await api.press({ chat_id, message_id, data: String(inline_keyboard?.[0]?.[0]?.callback_data) })
  await until('the call hangs', async () => (await api.calls('answerCallbackQuery')).length === 1)
  t.is(await app.kill('SIGTERM'), 0)
})

test('a download whose headers do not come is given up', async (t) => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const api = new TelegramApi(`http://127.0.0.1:${port}`, '123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')
  t.teardown(() => api.close())
  const download = api.download('documents/file_1', { signal: new AbortController().signal, idle: 300 })
  const error = await t.throwsAsync(download, { name: 'TelegramUnreachable' })
  t.like(error, { code: 'TIMEOUT' })
})
