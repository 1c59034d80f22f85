import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { callApi, until } from './call-api.ts'
import { startBotApi } from './client.ts'

/** The server answers first and removes the folder then. */
const removed = (folder: string) => until(() => (existsSync(folder) ? undefined : true))

test('before the login has ended a call gets no answer, then it gets its own', async (t) => {
  await using server = await startBotApi()
  await server.settings({ login_delay_ms: 3_600_000 })
  let isAnswered = false
  const waiting = callApi(server, 'getMe').finally(() => {
    isAnswered = true
  })
  await until(async () => (await server.state()).bots.find((bot) => !bot.logged_in))
  t.false(isAnswered)
  await server.settings({ login_delay_ms: 0 })
  t.is((await waiting).result.id, server.botId)
})

test('a malformed token is refused', async (t) => {
  await using server = await startBotApi()
  const answer = await callApi(server, 'getMe', {}, 'nonsense')
  t.like(answer, { status: 401, description: 'Unauthorized: invalid token specified' })
})

test('a wrong secret of a known bot is refused and its folder removed', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const wrong = `${server.botId}:AAwrongwrongwrongwrongwrongwrongwro`
  t.like(await callApi(server, 'getMe', {}, wrong), { status: 401, description: 'Unauthorized' })
  await removed(join(server.dir, wrong))
  t.true((await callApi(server, 'getMe')).ok)
})

test('an unknown method and an unknown path are 404', async (t) => {
  await using server = await startBotApi()
  const answer = await callApi(server, 'getEverything')
  t.like(answer, { status: 404, ok: false, error_code: 404, description: 'Not Found: method not found' })
  t.is((await fetch(`${server.url}/other`)).status, 404)
})

test('method names are taken in any case and parameters from a query or a form', async (t) => {
  await using server = await startBotApi()
  t.true((await callApi(server, 'GETME')).ok)
  await server.sendText('/start')
  const root = `${server.url}/bot${server.token}`
  const byQuery = await fetch(`${root}/sendMessage?chat_id=1001&text=query`)
  const byForm = await fetch(`${root}/sendMessage`, {
    method: 'POST',
    body: new URLSearchParams({ chat_id: '1001', text: 'form' }),
  })
  t.deepEqual([byQuery.status, byForm.status], [200, 200])
  const { messages } = await server.chat(1001)
  t.deepEqual(
    messages.map((message) => message.text),
    ['/start', 'query', 'form'],
  )
})

test('after logOut everything is 400, the folder and the pending updates are gone', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  await server.sendText('pending')
  t.true((await callApi(server, 'logOut')).result)
  const refused = await until(async () => {
    const answer = await callApi(server, 'getMe')
    return answer.ok ? undefined : answer
  })
  t.like(refused, { status: 400, description: 'Logged out' })
  await removed(join(server.dir, server.token))
  await server.settings({ retry_login: true })
  t.deepEqual((await callApi(server, 'getUpdates')).result, [])
})

test('a revoked token is 401, its folder is removed, and the new token works', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  await server.settings({ revoke_token: true })
  t.like(await callApi(server, 'getMe'), { status: 401, description: 'Unauthorized' })
  await removed(join(server.dir, server.token))
  const renewed = `${server.botId}:AAnewnewnewnewnewnewnewnewnewnewnew`
  t.true((await callApi(server, 'getMe', {}, renewed)).ok)
  await server.settings({ retry_login: true })
  t.is((await callApi(server, 'getMe')).status, 401)
})

test('a login flood is 429 with the seconds that are left', async (t) => {
  await using server = await startBotApi()
  const description = 'Too Many Requests: retry after 60'
  await server.settings({ login_error: { error_code: 429, description, retry_after: 60 } })
  t.like(await callApi(server, 'getMe'), { status: 429, parameters: { retry_after: 60 } })
  await server.settings({ login_error: null, retry_login: true })
  t.true((await callApi(server, 'getMe')).ok)
})

test('after close the bot is closed but its folder stays', async (t) => {
  await using server = await startBotApi()
  t.true((await callApi(server, 'close')).result)
  const refused = await until(async () => {
    const answer = await callApi(server, 'close')
    return answer.ok ? undefined : answer
  })
  t.like(refused, { status: 400, description: 'Bad Request: the bot has already been closed' })
  t.true(existsSync(join(server.dir, server.token, 'td.binlog')))
})

test('commands and descriptions are kept by scope and language', async (t) => {
  await using server = await startBotApi()
  const commands = [{ command: 'start', description: 'Begin' }]
  t.true((await callApi(server, 'setMyCommands', { commands })).result)
  t.deepEqual((await callApi(server, 'getMyCommands')).result, commands)
  t.deepEqual((await callApi(server, 'getMyCommands', { language_code: 'de' })).result, [])
  const wrong = await callApi(server, 'setMyCommands', { commands: [{ command: 'Über', description: 'x' }] })
  t.is(wrong.description, 'Bad Request: BOT_COMMAND_INVALID')
  t.true((await callApi(server, 'deleteMyCommands')).result)
  t.deepEqual((await callApi(server, 'getMyCommands')).result, [])
  t.true((await callApi(server, 'setMyDescription', { description: 'd' })).result)
  t.is((await callApi(server, 'getMyDescription')).result.description, 'd')
})
