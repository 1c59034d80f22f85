import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

/** Of six tries the last would come after two seconds: an outage outlasts them. */
const env = { ...wide, RETRY_DELAYS: '0,0,0,0,1' }

const ends = (app: App) => app.sql('SELECT DISTINCT status, attempts FROM jobs')

async function pass(ms: number): Promise<void> {
  const moment = performance.now()
  await until(`${ms} ms`, () => performance.now() - moment > ms, ms + 5000)
}

test('a flood wait of the bot fails no file: all wait so long, and are told nothing alarming', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await linkFor(api, await api.sendFile({ from: { id: 1 }, seed: 'first' }))
  await api.settings({ download_bytes_per_second: 100_000 })
  const people = Array.from({ length: 20 }, (_, user) => 100 + user)
  const sent = await Promise.all(people.map((id) => api.sendFile({ from: { id }, size: 50_000, seed: id })))
  await until('one is at work', () => app.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length > 0)
  const began = Date.now()
  await api.settings({ flood_wait: 12 })
  await Promise.all(sent.map((message) => linkFor(api, message, 60_000)))
  t.deepEqual(ends(app), [{ status: 'COMPLETED', attempts: 1 }])
  const asked = await api.calls('getFile', began)
  const refused = asked.filter(({ status }) => status === 429)
  t.true(refused.length > 0 && refused.length <= 4, `${refused.length} calls were refused`)
  for (const id of people) {
    const said = (await saidIn(api, id)).join('\n')
    t.notRegex(said, /slow down|failed|next try/)
  }
})

for (const [title, cut] of [
  ['is down', 'down'],
  ['answers with 502', 'proxy'],
  ['hangs up on every call', 'cut'],
  ['does not reach Telegram', 'disconnected'],
  ['says Unauthorized while it logs in', 'unauthorized'],
] as const) {
  test(`a server that ${title}, longer than all tries last, fails no file`, async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, env: { ...env, STALL_SECONDS: '2' } })
    await api.settings({ download_bytes_per_second: 100_000 })
    const sent = await Promise.all(
      [1, 2, 3, 4, 5].map((id) => api.sendFile({ from: { id }, size: 200_000, seed: id })),
    )
    // What the server has not passed on is lost when it logs the bot out.
    await until('all have come, and some are at work', () => {
      const jobs = app.sql<{ status: string }>('SELECT status FROM jobs')
      return jobs.length === sent.length && jobs.some(({ status }) => status === 'RUNNING')
    })
    if (cut === 'down') await api.kill('SIGKILL')
    if (cut === 'proxy') await api.fault({ method: '*', count: -1, body: '<html>', status: 502 })
    if (cut === 'cut') await api.fault({ method: '*', count: -1, cut: true })
    if (cut === 'disconnected') await api.settings({ is_connected: false })
    if (cut === 'unauthorized') {
      await api.settings({ login_error: { error_code: 401, description: 'Unauthorized' } })
      await api.kill('SIGTERM')
      await api.start()
    }
    // A call without an answer tells it only after a while.
    await pass(cut === 'disconnected' ? 22_000 : 8000)
    t.deepEqual(app.sql(`SELECT 1 FROM jobs WHERE status = 'FAILED'`), [])
    if (cut === 'down') await api.start()
    if (cut === 'proxy' || cut === 'cut') await api.clearFaults()
    if (cut === 'disconnected') await api.settings({ is_connected: true })
    if (cut === 'unauthorized') await api.settings({ login_error: null, retry_login: true })
    await Promise.all(sent.map((message) => linkFor(api, message, 60_000)))
    t.deepEqual(app.sql(`SELECT DISTINCT status FROM jobs`), [{ status: 'COMPLETED' }])
  })
}

test('a hidden flood wait, which fails every download for a while, fails no file', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await api.fault({ method: 'download', count: -1 })
  const sent = await Promise.all(
    [1, 2, 3].map((id) => api.sendFile({ from: { id }, size: 50_000, seed: id })),
  )
  const soon = 'UPDATE jobs SET due_at = 0 WHERE due_at > 0 RETURNING id'
  await until(
    'they have had more tries than a file that is to blame',
    () => {
      app.sql(soon)
      return Number(app.sql<{ n: number }>('SELECT MIN(attempts) AS n FROM jobs')[0]?.n) > 7
    },
    60_000,
  )
  t.deepEqual(app.sql(`SELECT 1 FROM jobs WHERE status = 'FAILED'`), [])
  await api.clearFaults()
  await until(
    'all are done',
    () => {
      app.sql(soon)
      return app.sql(`SELECT 1 FROM jobs WHERE status = 'COMPLETED'`).length === sent.length
    },
    60_000,
  )
  for (const message of sent) t.truthy(await linkFor(api, message))
})

test('one file that fails while others work has failed after its tries, and its user is told', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env })
  await api.fault({ method: 'getFile', count: 6, error: { error_code: 400, description: unavailable } })
  const wrong = await api.sendFile({ from: { id: 1 }, size: 50_000, seed: 'wrong' })
  await api.waitForMessage(1, ({ text }) =>
    /transfer from Telegram failed\. Press Retry.*later\.$/.test(text ?? ''),
  )
  await linkFor(api, await api.sendFile({ from: { id: 2 }, size: 50_000, seed: 'other' }))
  t.deepEqual(app.sql('SELECT user_id, status, attempts FROM jobs ORDER BY id'), [
    { user_id: 1, status: 'FAILED', attempts: 6 },
    { user_id: 2, status: 'COMPLETED', attempts: 1 },
  ])
  t.truthy(wrong)
})

const unavailable = 'Bad Request: wrong file_id or the file is temporarily unavailable'

test('a refusal that is about the server, and has passed when it is asked, fails no file', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { ...wide, RETRY_DELAYS: '1' } })
  for (const error_code of [401, 404, 409, 421]) {
    await api.fault({ method: 'getFile', error: { error_code, description: 'Not now' } })
    await linkFor(api, await api.sendFile({ from: { id: error_code }, seed: error_code }))
  }
  t.deepEqual(ends(app), [{ status: 'COMPLETED', attempts: 2 }])
})
