import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { createApp, startApp } from '../helpers/start-app.ts'
import { startProxy } from '../helpers/start-proxy.ts'
import { until } from '../helpers/until.ts'

test('whatever fails, the token is in no line, no file, no answer and no message', async (t) => {
  await using api = await startBotApi()
  await using proxy = await startProxy(api.url)
  const secret = api.token.split(':')[1] ?? ''
  await using app = await startApp({
    api,
    env: { LOG_LEVEL: 'trace', TELEGRAM_API_URL: proxy.url, RATE_LIMIT_PER_MINUTE: '1000' },
  })
  const answers: string[] = []
  const page = `<html>502 for http://server/bot${api.token}/getFile</html>`
  const documents = join(api.dir, api.token, 'documents')

  const faults = [
    { wrong_path: join(documents, 'file_404') },
    { wrong_path: `${documents}/../../../nowhere/file_1` },
    { wrong_path: documents },
    { wrong_path: `documents/file_0?bot${api.token}` },
    { body: page, status: 502 },
    { body: page, status: 403 },
    { body: page, status: 200 },
    { cut: true as const },
    { error: { error_code: 400, description: `Bad Request: ${documents}/file_1 is not readable` } },
  ]
  for (const [i, fault] of faults.entries()) {
    const from = { id: 1100 + i }
    await api.fault({ method: 'getFile', ...fault })
    await api.sendFile({ from })
    await until(`an end or a pause of ${JSON.stringify(fault)}`, async () => {
      const [job] = app.sql(
        `SELECT attempts, status FROM jobs WHERE user_id = ? AND status <> 'RUNNING'`,
        from.id,
      )
      return job && (job.status !== 'QUEUED' || Number(job.attempts) > 0)
    })
    await api.clearFaults()
  }
  proxy.spoil = () => ({ status: 403, html: page })
  // The waiting poll ends with this, and the next one meets the page.
  await api.sendText('hello')
  await until('the poll has failed', () =>
    app.lines.some(({ level, message }) => level === 'warn' && /waiting/.test(message)),
  )
  answers.push((await app.get('/health')).text)
  proxy.spoil = () => undefined
  await api.kill()
  await app.kill()
  app.spawn()
  await app.log(({ message }) => message === 'web: ready')
  answers.push((await app.get('/health')).text)
  await api.start()
  await app.log(({ message }) => message === 'Bot API server: logged in')
  const { path } = await linkFor(api, await api.sendFile({ from: { id: 1200 } }), 30_000)
  for (const address of [
    path,
    '/',
    '/health',
    `/download/bot${api.token}`,
    `/${encodeURIComponent(api.token)}`,
  ]) {
    const { text, headers } = await app.get(address)
    answers.push(text, JSON.stringify(headers))
  }
  t.is(await app.kill('SIGTERM'), 0)

  t.true(app.output.length > 5000)
  t.false(
    app.output.includes(secret),
    app.output.split('\n').find((line) => line.includes(secret)),
  )
  t.false(answers.join().includes(secret))
  t.deepEqual(await app.filesWith(secret), [])
  for (let i = 0; i < faults.length; i++) {
    t.false(JSON.stringify((await api.chat(1100 + i)).messages).includes(secret))
  }
})

test('a start that fails over a path with the token does not show it', async (t) => {
  await using api = await startBotApi()
  const BOT_API_DIR = join(api.dir, api.token, 'nowhere')
  await using app = await createApp({ api, env: { BOT_API_DIR } })
  app.spawn()
  t.is(await app.ended(), 1)
  t.regex(app.lines.at(-1)?.message ?? '', /BOT_API_DIR: .*\[token\]/)
  t.false(app.output.includes(api.token))
})

test('a token that is mistyped is not repeated', async (t) => {
  const TELEGRAM_BOT_TOKEN = `8418233161:AA${'x'.repeat(33)} `.replace('AA', 'A A')
  await using app = await createApp({ env: { TELEGRAM_BOT_TOKEN } })
  app.spawn()
  t.is(await app.ended(), 1)
  t.regex(app.lines[0]?.message ?? '', /^TELEGRAM_BOT_TOKEN: is not a bot token/)
  t.false(app.output.includes('x'.repeat(20)))
})

test('the process shows no token in its command line', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  t.false((await readFile(`/proc/${app.pid}/cmdline`, 'utf8')).includes(api.token))
})
