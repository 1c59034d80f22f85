import test from 'ava'
import { callApi, receiveFileId, until } from './call-api.ts'
import { startBotApi } from './client.ts'

const soon = (ms: number) => new Promise<'no answer'>((resolve) => setTimeout(resolve, ms, 'no answer'))

test('a flood wait meets every method, and each answer says how long it still lasts', async (t) => {
  await using server = await startBotApi()
  await server.sendFile()
  const file_id = await receiveFileId(server)
  await server.settings({ flood_wait: 2 })
  for (const [method, params] of [
    ['getMe', {}],
    ['getFile', { file_id }],
  ] as const) {
    const { status, description } = await callApi(server, method, params)
    t.is(status, 429)
    t.regex(description ?? '', /retry after [12]$/)
  }
  await until(async () => (await callApi(server, 'getMe')).ok || undefined)
  t.true((await callApi(server, 'getFile', { file_id })).ok)
})

test('a stalled file stands still half-way and holds up no other; it goes on where it was', async (t) => {
  await using server = await startBotApi()
  const stalled = await server.sendFile({ size: 4_000_000, seed: 'stalled' })
  const stalledId = await receiveFileId(server)
  await server.sendFile({ size: 1_000_000, seed: 'other' })
  const otherId = await receiveFileId(server)
  const stalled_files = { [String(stalled.file_unique_id)]: 2_000_000 }
  await server.settings({ stalled_files })
  const first = callApi(server, 'getFile', { file_id: stalledId })
  await until(async () => (await server.state()).bots[0]?.downloads[0]?.received === 2 * 1024 * 1024)
  t.true((await callApi(server, 'getFile', { file_id: otherId })).ok)
  const again = callApi(server, 'getFile', { file_id: stalledId })
  t.is(await Promise.race([first, again, soon(300)]), 'no answer')
  await server.settings({ stalled_files: {} })
  t.true((await first).ok)
  t.deepEqual(await first, await again)
})

test('without a connection getMe and getUpdates answer, and nothing else; then all goes on', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ seed: 'before' })
  const file_id = await receiveFileId(server)
  await server.settings({ is_connected: false })
  await server.sendText('meanwhile')
  t.true((await callApi(server, 'getMe')).ok)
  const file = callApi(server, 'getFile', { file_id })
  const message = callApi(server, 'sendMessage', { chat_id: 1001, text: 'hello' })
  const commands = callApi(server, 'getMyCommands')
  t.is(await Promise.race([file, message, commands, soon(300)]), 'no answer')
  await server.settings({ is_connected: true })
  for (const call of [file, message, commands]) t.true((await call).ok)
  const { result } = await callApi(server, 'getUpdates', { offset: 2, timeout: 5 })
  t.like(result, [{ message: { text: 'meanwhile' } }])
})
