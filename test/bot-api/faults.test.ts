import test from 'ava'
import { callApi, receiveFileId, until } from './call-api.ts'
import { startBotApi } from './client.ts'

test('an error fault meets as many calls as it says, of its method and chat only', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  await server.sendText('hello', { from: { id: 2 } })
  const error = { error_code: 429, description: 'Too Many Requests: retry after 3', retry_after: 3 }
  await server.fault({ method: 'sendMessage', chat_id: 1001, count: 2, error })
  const statuses: number[] = []
  for (const chat_id of [2, 1001, 1001, 1001]) {
    statuses.push((await callApi(server, 'sendMessage', { chat_id, text: 'x' })).status)
  }
  t.deepEqual(statuses, [200, 429, 429, 200])
})

test('a flood wait has its seconds in the answer and in a header', async (t) => {
  await using server = await startBotApi()
  const error = { error_code: 429, description: 'Too Many Requests: retry after 3', retry_after: 3 }
  await server.fault({ method: '*', count: -1, error })
  const response = await fetch(`${server.url}/bot${server.token}/getMe`)
  t.is(response.headers.get('retry-after'), '3')
  const { retry_after, ...rest } = error
  t.deepEqual(await response.json(), { ok: false, ...rest, parameters: { retry_after } })
  await server.clearFaults()
  t.true((await callApi(server, 'getMe')).ok)
})

test('a cut call is not carried out, one that is cut after it is', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  for (const after of [false, true]) {
    await server.fault({ method: 'sendMessage', cut: true, ...(after && { after }) })
    await t.throwsAsync(
      callApi(server, 'sendMessage', { chat_id: 1001, text: after ? 'carried out' : 'lost' }),
    )
  }
  const { messages } = await server.chat(1001)
  t.deepEqual(
    messages.map((message) => message.text),
    ['hello', 'carried out'],
  )
})

test('a hanging call gets no answer until the idle time cuts it', async (t) => {
  await using server = await startBotApi()
  await server.settings({ idle_timeout_ms: 300 })
  await server.fault({ method: 'getMe', hang: true })
  const start = Date.now()
  await t.throwsAsync(callApi(server, 'getMe'))
  t.true(Date.now() - start >= 290)
  t.true((await callApi(server, 'getMe')).ok)
})

test('a body fault looks like a proxy in between', async (t) => {
  await using server = await startBotApi()
  await server.fault({ method: 'getMe', body: '<html>Bad Gateway</html>', status: 502 })
  const response = await fetch(`${server.url}/bot${server.token}/getMe`)
  t.deepEqual([response.status, await response.text()], [502, '<html>Bad Gateway</html>'])
})

test('a delay holds the answer back', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  await server.fault({ method: 'getMe', delay_ms: 400 })
  const start = Date.now()
  t.true((await callApi(server, 'getMe')).ok)
  t.true(Date.now() - start >= 390)
})

test('getFile can lack its path once, or name a foreign one', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ name: 'a.bin' })
  const file_id = await receiveFileId(server)
  await server.fault({ method: 'getFile', missing_path: true })
  await server.fault({ method: 'getFile', wrong_path: '/srv/not-a-file' })
  const paths: string[] = []
  for (let i = 0; i < 3; i++) paths.push((await callApi(server, 'getFile', { file_id })).result.file_path)
  t.deepEqual([paths[0], paths[1]], [undefined, '/srv/not-a-file'] as unknown as string[])
  t.true(paths[2]?.startsWith(server.dir))
})

test('calls are listed with their parameters, status and duration, and never with the token', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  await callApi(server, 'sendMessage', { chat_id: 1001, text: `my token is ${server.token}` })
  await callApi(server, 'nonsense')
  const calls = await until(async () => {
    const found = await server.calls()
    return found.every((call) => call.status > 0) ? found : undefined
  })
  t.like(calls, [
    { method: 'sendMessage', status: 200, params: { chat_id: 1001 } },
    { method: 'nonsense', status: 404 },
  ])
  t.false(JSON.stringify(calls).includes(server.token))
})

test('a control request that makes no sense is refused', async (t) => {
  await using server = await startBotApi()
  await t.throwsAsync(server.sendFile({ size: 0 }), { message: /at least one byte/ })
  await t.throwsAsync(server.settings({ download_speed: 1 } as object), { message: /No such setting/ })
  t.is((await fetch(`${server.control}/nothing`)).status, 400)
})
