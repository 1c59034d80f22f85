import test from 'ava'
import { callApi } from '../bot-api/call-api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

interface State {
  status: string
  parts: Record<string, { ok: boolean; detail: string }>
}

async function health(app: App): Promise<State & { code: number }> {
  const { status, text } = await app.get('/health')
  return { code: status, ...(JSON.parse(text) as State) }
}

const healthy = (app: App) => until('it is healthy', async () => (await health(app)).code === 200, 15_000)
const warnings = (app: App) => app.lines.filter(({ level }) => level === 'warn' || level === 'error')

test('the app waits for a server that is down, says so once, and goes on by itself', async (t) => {
  await using api = await startBotApi()
  await api.kill()
  await using app = await startApp({ api, login: false })
  const down = await until('it knows', async () => {
    const state = await health(app)
    return state.parts.bot_api?.detail === 'not reachable (ECONNREFUSED)' && state
  })
  t.is(down.code, 503)
  t.is(down.status, 'failing')
  t.false(down.parts.bot_api?.ok)
  t.true(down.parts.database?.ok)
  // Three tries take place within 7 s.
  await new Promise((resolve) => setTimeout(resolve, 7000))
  t.deepEqual(
    warnings(app).map(({ message }) => message),
    ['Bot API server: waiting for it'],
  )
  await api.start()
  await app.log(({ message }) => message === 'Bot API server: logged in')
  await healthy(app)
  await linkFor(api, await api.sendFile())

  await api.kill()
  await until('it knows again', async () => !(await health(app)).parts.bot_api?.ok)
  await api.start()
  await linkFor(api, await api.sendFile())
  await healthy(app)
  t.true(warnings(app).length <= 3, JSON.stringify(warnings(app)))
})

test('a login that takes its time is waited for', async (t) => {
  await using api = await startBotApi()
  await api.settings({ login_delay_ms: 2000 })
  await using app = await startApp({ api, login: false })
  t.is((await health(app)).code, 503)
  await app.log(({ message }) => message === 'Bot API server: logged in')
  t.deepEqual(warnings(app), [])
})

test('a token that Telegram refuses is named as the cause', async (t) => {
  await using api = await startBotApi()
  await api.settings({ login_error: { error_code: 401, description: 'Unauthorized' } })
  await using app = await startApp({ api, login: false })
  const { parts } = await until('it knows', async () => {
    const state = await health(app)
    return /token/.test(state.parts.bot_api?.detail ?? '') && state
  })
  t.is(parts.bot_api?.detail, 'the bot token is refused by Telegram')
})

test('a program that says ok to everything is not taken for the server', async (t) => {
  await using api = await startBotApi()
  await api.fault({ method: 'getMe', body: '{"ok":true,"status":"up"}', status: 200 })
  await using app = await startApp({ api })
  t.is(warnings(app)[0]?.reason, 'not reachable (NOT_BOT_API_200)')
  await api.fault({ method: 'sendMessage', body: '{"ok":true,"result":{}}', status: 200 })
  await linkFor(api, await api.sendFile())
})

test('a webhook that is set for the bot is named, with what removes it', async (t) => {
  await using api = await startBotApi()
  await callApi(api, 'setWebhook', { url: 'http://127.0.0.1:1/hook' })
  await using app = await startApp({ api })
  const { parts } = await until('it knows', async () => {
    const state = await health(app)
    return /webhook/.test(state.parts.bot_api?.detail ?? '') && state
  })
  t.deepEqual(parts.bot_api, {
    ok: false,
    detail: 'its updates go to a webhook, which the call deleteWebhook would remove',
  })
  await callApi(api, 'deleteWebhook')
  await linkFor(api, await api.sendFile())
  await healthy(app)
})

test('links work while the bot role is not there, and /health says that it is not', async (t) => {
  await using api = await startBotApi()
  await using bot = await startApp({ api, roles: ['bot'] })
  const { path } = await linkFor(api, await api.sendFile({ size: 777 }))
  await bot.kill('SIGTERM')
  await using web = await startApp({ roles: ['web'], dir: bot.dir })
  t.is((await web.get(path)).body.length, 777)
  const { code, parts } = await health(web)
  t.is(code, 503)
  t.deepEqual(parts.bot_api, { ok: false, detail: 'the bot role has stopped' })
})
