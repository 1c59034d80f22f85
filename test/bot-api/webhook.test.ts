import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import test from 'ava'
import { callApi, until } from './call-api.ts'
import { startBotApi } from './client.ts'

type Delivered = { text: string; from: number; secret: string | undefined }

async function startHook(answer: (delivered: Delivered) => number | Promise<number>) {
  const delivered: Delivered[] = []
  const hook = createServer(async (request, response) => {
    const { message } = (await json(request)) as { message: { text: string; from: { id: number } } }
    const secret = request.headers['x-telegram-bot-api-secret-token'] as string | undefined
    const item = { text: message.text, from: message.from.id, secret }
    delivered.push(item)
    response.writeHead(await answer(item)).end()
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hook`
  const close = () => {
    hook.close()
    hook.closeAllConnections()
  }
  return { url, delivered, [Symbol.dispose]: close }
}

test('updates of one chat come one after another, those of another chat meanwhile', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  using hook = await startHook(async ({ text }) => {
    if (text === 'a1') await released
    return 200
  })
  await using server = await startBotApi()
  t.true((await callApi(server, 'setWebhook', { url: hook.url, secret_token: 'abc' })).result)
  await server.sendText('a1')
  await server.sendText('a2')
  await server.sendText('b1', { from: { id: 2 } })
  await until(() => hook.delivered.find(({ text }) => text === 'b1'))
  t.deepEqual(hook.delivered.map(({ text }) => text).sort(), ['a1', 'b1'])
  release()
  await until(() => hook.delivered.find(({ text }) => text === 'a2'))
  t.true(hook.delivered.every(({ secret }) => secret === 'abc'))
})

test('a failed delivery is repeated, and its error is told', async (t) => {
  let failures = 1
  using hook = await startHook(() => (failures-- > 0 ? 500 : 200))
  await using server = await startBotApi()
  await callApi(server, 'setWebhook', { url: hook.url })
  await server.sendText('important')
  await until(() => hook.delivered[1])
  const { result } = await callApi(server, 'getWebhookInfo')
  t.like(result, { url: hook.url, last_error_message: 'Wrong response from the webhook: 500' })
})

test('a webhook excludes getUpdates, and comes back by itself after a restart', async (t) => {
  using hook = await startHook(() => 200)
  await using server = await startBotApi()
  await callApi(server, 'setWebhook', { url: hook.url })
  await server.restart()
  await server.sendText('no call was needed')
  await until(() => hook.delivered[0])
  const refused = await callApi(server, 'getUpdates')
  t.is(refused.status, 409)
  t.regex(refused.description ?? '', /^Conflict: can't use getUpdates method while webhook is active/)
  t.true((await callApi(server, 'deleteWebhook')).result)
  t.true((await callApi(server, 'getUpdates')).ok)
})
