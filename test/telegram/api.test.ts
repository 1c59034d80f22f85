import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { TelegramRefusal, TelegramUnreachable } from '../../app/core/bot-api.ts'
import { TelegramApi } from '../../app/telegram/api.ts'
import { callApi } from '../bot-api/call-api.ts'
import { type FaultRule, type StandIn, startBotApi } from '../bot-api/client.ts'

let server: StandIn

test.before(async () => {
  server = await startBotApi()
  await callApi(server, 'getMe')
})
test.after.always(() => server?.stop())

/** The error of a call, which must not hold the token anywhere. */
async function errorOf(t: import('ava').ExecutionContext, url = server.url, timeout = 5000) {
  const api = new TelegramApi(url, server.token)
  t.teardown(() => api.close())
  const error = await t.throwsAsync(api.call('getChat', { chat_id: 1 }, { timeout }))
  const everything = [error?.message, error?.stack, JSON.stringify(error), String(error?.cause)].join()
  t.false(everything.includes(server.token.split(':')[1] ?? ''))
  return error as Error
}

const faults: [title: string, fault: Omit<FaultRule, 'method'>, expected: object][] = [
  [
    'a refusal has its code and text',
    { error: { error_code: 403, description: 'Forbidden: x' } },
    { name: 'TelegramRefusal', code: 403, description: 'Forbidden: x', retryAfter: undefined },
  ],
  [
    'a flood wait has its seconds',
    { error: { error_code: 429, description: 'Too Many Requests: retry after 17', retry_after: 17 } },
    { name: 'TelegramRefusal', code: 429, retryAfter: 17 },
  ],
  [
    'a fault of the server keeps its text',
    { error: { error_code: 500, description: 'Internal Server Error: restart' } },
    { name: 'TelegramRefusal', code: 500, description: 'Internal Server Error: restart' },
  ],
  ['a cut connection is known as such', { cut: true }, { name: 'TelegramUnreachable', code: 'CUT' }],
  ['a call that hangs ends at its time', { hang: true }, { name: 'TelegramUnreachable', code: 'TIMEOUT' }],
]

for (const [title, fault, expected] of faults) {
  test.serial(title, async (t) => {
    await server.fault({ method: 'getChat', ...fault })
    t.like(await errorOf(t, server.url, 'hang' in fault ? 300 : 5000), expected)
  })
}

for (const status of [200, 400, 403, 404, 502]) {
  test.serial(`a page with ${status} is not taken for a word of Telegram`, async (t) => {
    await server.fault({ method: 'getChat', body: `<html>bot${server.token}</html>`, status })
    t.true((await errorOf(t)) instanceof TelegramUnreachable)
  })
}

test.serial('an ok without what was asked for is no answer', async (t) => {
  const api = new TelegramApi(server.url, server.token)
  t.teardown(() => api.close())
  const answers = { getChat: [undefined, null], getMe: [{}, 'ok'], getUpdates: [{}, [{}]], sendMessage: [{}] }
  for (const [method, results] of Object.entries(answers)) {
    for (const result of results) {
      await server.fault({ method, body: JSON.stringify({ ok: true, result }), status: 200 })
      const about = `${method} ${JSON.stringify(result)}`
      await t.throwsAsync(api.call(method), { instanceOf: TelegramUnreachable }, about)
    }
  }
})

test.serial('a flood wait lasts a second at least, and a day at most', async (t) => {
  for (const [asked, kept] of [
    [0, 1],
    [-5, 1],
    [17, 17],
    [1e12, 86_400],
  ] as const) {
    const error = { error_code: 429, description: 'Too Many Requests', retry_after: asked }
    await server.fault({ method: 'getChat', error })
    t.like(await errorOf(t), { code: 429, retryAfter: kept })
  }
})

test('a server that is not there is unreachable', async (t) => {
  t.like(await errorOf(t, 'http://127.0.0.1:1'), { name: 'TelegramUnreachable', code: 'ECONNREFUSED' })
})

test('a name that does not resolve is unreachable', async (t) => {
  t.true((await errorOf(t, 'http://no-such-host.invalid')) instanceof TelegramUnreachable)
})

test('a call that is stopped ends at once', async (t) => {
  const api = new TelegramApi(server.url, server.token)
  t.teardown(() => api.close())
  const signal = AbortSignal.timeout(100)
  await t.throwsAsync(api.call('getUpdates', { timeout: 50 }, { signal }), {
    instanceOf: TelegramUnreachable,
  })
})

test('a refusal names its method, not the address', (t) => {
  t.is(new TelegramRefusal('getFile', 400, 'Bad Request').message, 'getFile: 400 Bad Request')
})

test('bytes of which neither the caller nor the answer tells how many they are are none', async (t) => {
  const door = http.createServer((_request, response) => {
    response.useChunkedEncodingByDefault = false
    response.end('a part?')
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  const api = new TelegramApi(`http://127.0.0.1:${(door.address() as AddressInfo).port}`, server.token)
  t.teardown(() => {
    api.close()
    door.close()
  })
  const { signal } = new AbortController()
  await t.throwsAsync(api.download('documents/file_1', { signal }), {
    instanceOf: TelegramUnreachable,
    message: 'download: no answer (NO_LENGTH)',
  })
  t.is(await text(await api.download('documents/file_1', { signal, isSized: true })), 'a part?')
})
