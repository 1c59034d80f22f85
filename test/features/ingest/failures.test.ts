import { mkdtempSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type FaultRule, type StandIn, startBotApi } from '../../bot-api/client.ts'
import { linkFor, linkIn, saidIn } from '../../helpers/chat.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { startForAll } from '../../helpers/start-for-all.ts'
import { until } from '../../helpers/until.ts'

let api: StandIn
let app: App
startForAll({ RATE_LIMIT_PER_MINUTE: '1000' }, (server, program) => {
  api = server
  app = program
})

// Not a file of the machine: an app that fell for the path would remove it.
const elsewhere = mkdtempSync(join(tmpdir(), 'tgdepot-elsewhere-'))
const foreign = join(elsewhere, 'foreign')
writeFileSync(foreign, 'x'.repeat(5000))
test.after.always(() => rm(elsewhere, { recursive: true }))

interface Case {
  title: string
  fault: Omit<FaultRule, 'method'> & { method?: string }
  says: RegExp
  type: string
  /** Seconds until the next try that the message speaks of, as a pattern; absent = no try follows by itself. */
  next?: string
}

const refusal = (error_code: number, description: string, retry_after?: number) => ({
  error: { error_code, description, ...(retry_after !== undefined && { retry_after }) },
})
const transfer = /The transfer from Telegram failed\./

/** 5 s, a fifth more or less. */
const firstDelay = '[456]'

const cases: Case[] = [
  {
    title: 'Telegram’s own transfer fails',
    fault: { method: 'download' },
    says: transfer,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'the file is unavailable for now',
    fault: refusal(400, 'Bad Request: wrong file_id or the file is temporarily unavailable'),
    says: transfer,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'the server restarts',
    fault: refusal(500, 'Internal Server Error: restart'),
    says: transfer,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'a proxy answers with a page',
    fault: { body: '<html>Bad Gateway</html>', status: 502 },
    says: /(The connection to Telegram was lost|The transfer from Telegram failed)\./,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'a proxy refuses with a page',
    fault: { body: '<html>Forbidden</html>', status: 403 },
    says: /(The connection to Telegram was lost|The transfer from Telegram failed)\./,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'the answer lacks the path again and again',
    fault: { missing_path: true, count: 5 },
    says: transfer,
    type: 'NETWORK_ERROR',
    next: firstDelay,
  },
  {
    title: 'the server refuses for a reason nobody knows',
    fault: refusal(400, 'Bad Request: something new'),
    says: transfer,
    type: 'HTTP_ERROR',
  },
  {
    title: 'the path lies outside BOT_API_DIR',
    fault: { wrong_path: foreign },
    says: /Bot API is not set up right; its owner finds the cause in the log/,
    type: 'FOREIGN_PATH',
    next: firstDelay,
  },
]

for (const [index, { title, fault, says, type, next }] of cases.entries()) {
  test.serial(`when ${title}, a sentence says so, and Retry works`, async (t) => {
    const from = { id: 8000 + index }
    await api.fault({ method: 'getFile', ...fault })
    const sent = await api.sendFile({ from, name: 'x.bin', size: 5000 })
    const failed = await api.waitForMessage(from.id, ({ text }) => says.test(text ?? ''))
    t.true(failed.text?.startsWith('x.bin (5 kB)\n'), failed.text)
    const ending = next === undefined ? /[^s]\.$/ : new RegExp(`The next try is in ${next} s\\.$`)
    t.regex(failed.text ?? '', ending)
    t.is(/Press Retry/.test(failed.text ?? ''), next === undefined, 'what goes on by itself asks for nothing')
    const [job] = app.sql('SELECT id, status, error_type FROM jobs WHERE user_id = ?', from.id)
    t.like(job, { status: next === undefined ? 'FAILED' : 'QUEUED', error_type: type })
    t.deepEqual(app.sql('SELECT * FROM links WHERE user_id = ?', from.id), [])

    const [[button] = []] = failed.inline_keyboard ?? []
    t.is(button?.text, 'Retry')
    const { message_id, text } = failed
    const pressedAt = Date.now()
    await api.press({ from, chat_id: from.id, message_id, data: String(button?.callback_data) })
    const link = await linkFor(api, sent)
    const waited = Date.now() - pressedAt
    t.true(waited < 4000, 'Retry does not wait for the next try')
    t.is(link.message.message_id, message_id, text)
    t.is(link.message.inline_keyboard, undefined)
    t.is((await app.get(link.path)).body.length, 5000)
  })
}

for (const { title, description, says } of [
  {
    title: 'too big for the server',
    description: 'Bad Request: file is too big',
    says: /does not let bots fetch/,
  },
  { title: 'no longer there', description: 'Bad Request: invalid file_id', says: /no longer has this file/ },
]) {
  test.serial(`a file that is ${title} gets a sentence and no button that cannot help`, async (t) => {
    await api.fault({ method: 'getFile', ...refusal(400, description) })
    const { chat_id } = await api.sendFile({ from: { id: 8100 + description.length } })
    const { inline_keyboard } = await api.waitForMessage(chat_id, ({ text }) => says.test(text ?? ''))
    t.is(inline_keyboard, undefined)
  })
}

test.serial('a pause that Telegram asks for is kept, counts for nothing, and alarms nobody', async (t) => {
  const from = { id: 8099 }
  await api.fault({ method: 'getFile', ...refusal(429, 'Too Many Requests: retry after 3', 3) })
  const { message } = await linkFor(api, await api.sendFile({ from, size: 5000 }))
  const said = [...message.edits.map(({ text }) => text ?? ''), message.text ?? '']
  t.deepEqual(
    said.filter((text) => /slow down|failed|Retry|next try/.test(text)),
    [],
  )
  t.like(app.sql('SELECT attempts, status FROM jobs WHERE user_id = ?', from.id), [
    { attempts: 1, status: 'COMPLETED' },
  ])
})

test.serial('a failure that passes is tried again after about 5 s without a word of the user', async (t) => {
  await api.fault({ method: 'download' })
  const sentAt = Date.now()
  const sent = await api.sendFile({ from: { id: 8200 } })
  await linkFor(api, sent)
  const [first, second] = await api.calls('getFile', sentAt)
  t.true(Number(second?.at) - Number(first?.at) >= 4000)
})

test.serial('Telegram’s pause is kept to the second before a file is asked for again', async (t) => {
  await api.fault({ method: 'getFile', ...refusal(429, 'Too Many Requests: retry after 2', 2) })
  const sentAt = Date.now()
  await linkFor(api, await api.sendFile({ from: { id: 8201 } }))
  const [first, second, ...others] = await api.calls('getFile', sentAt)
  const pause = Number(second?.at) - Number(first?.at)
  t.true(pause >= 2000 && pause < 4500, `${pause} ms`)
  t.deepEqual(others, [])
})

test.serial('an answer without a path is asked for again at once', async (t) => {
  await api.fault({ method: 'getFile', missing_path: true, count: 2 })
  const sentAt = Date.now()
  await linkFor(api, await api.sendFile({ from: { id: 8202 } }), 4000)
  t.is((await api.calls('getFile', sentAt)).length, 3)
})

test.serial('a connection that is cut before the answer is tried again', async (t) => {
  await api.fault({ method: 'getFile', cut: true })
  await linkFor(api, await api.sendFile({ from: { id: 8203 } }))
  t.pass()
})

test.serial('a path inside BOT_API_DIR that leads out of it is refused', async (t) => {
  const way = join(api.dir, 'way-out')
  await symlink(foreign, way)
  await api.fault({ method: 'getFile', wrong_path: way })
  const since = Date.now()
  await api.sendFile({ from: { id: 8204 }, announced_size: null })
  await api.waitForMessage(8204, ({ text }) => /not set up right/.test(text ?? ''))
  t.deepEqual(app.sql('SELECT * FROM links WHERE user_id = 8204'), [])
  t.is((await api.calls('getFile', since)).length, 1)
  t.is((await readFile(foreign)).length, 5000, 'it is not touched')
  // Its next attempts would meet the faults of the tests that follow.
  app.sql(`UPDATE jobs SET status = 'FAILED' WHERE user_id = 8204`)
})

test.serial('the bot’s session with Telegram, and what is not whole yet, become no link', async (t) => {
  await mkdir(join(api.dir, api.token, 'temp'), { recursive: true })
  await writeFile(join(api.dir, api.token, 'temp', '99'), 'half of it')
  const wrong = [[api.token, 'td.binlog'], ['tqueue.binlog'], [api.token, 'temp', '99']]
  for (const [at, path] of wrong.entries()) {
    const from = { id: 8220 + at }
    await api.fault({ method: 'getFile', wrong_path: join(api.dir, ...path) })
    const sent = await api.sendFile({ from, announced_size: null })
    await api.waitForMessage(from.id, ({ text }) => /not set up right|download/.test(text ?? ''))
    t.deepEqual(app.sql('SELECT size FROM links WHERE user_id = ?', from.id), [], path.join('/'))
    app.sql(`UPDATE jobs SET status = 'FAILED' WHERE user_id = ?`, sent.chat_id)
  }
})

test.serial('a file that is gone when its path arrives is fetched again', async (t) => {
  const wrong_path = join(api.dir, api.token, 'documents', 'file_999')
  await api.fault({ method: 'getFile', wrong_path })
  const sent = await api.sendFile({ from: { id: 8205 } })
  await linkFor(api, sent)
  const written = JSON.stringify([
    app.sql('SELECT * FROM jobs WHERE user_id = 8205'),
    app.sql('SELECT * FROM job_events'),
  ])
  t.false(written.includes(api.token.slice(-20)), 'the path holds the token')
})

const fail = async (from: { id: number }, chat?: { id: number; type: 'supergroup'; title: string }) => {
  await api.fault({ method: 'getFile', ...refusal(400, 'Bad Request: something new') })
  const sent = await api.sendFile({ from, ...(chat && { chat, caption: `${api.mention}, please` }) })
  const message = await api.waitForMessage(sent.chat_id, ({ text }) => transfer.test(text ?? ''))
  return { sent, message, data: String(message.inline_keyboard?.[0]?.[0]?.callback_data) }
}

test.serial('Retry pressed twice makes one job', async (t) => {
  const from = { id: 8300 }
  const { sent, message, data } = await fail(from)
  const press = () => api.press({ from, chat_id: from.id, message_id: message.message_id, data })
  await Promise.all([press(), press()])
  await linkFor(api, sent)
  await until('both presses are answered', async () => (await api.chat(from.id)).answers.length === 2)
  const jobs = app.sql('SELECT status FROM jobs WHERE user_id = ? ORDER BY id', from.id)
  t.deepEqual(jobs, [{ status: 'FAILED' }, { status: 'COMPLETED' }])
  const { messages } = await api.chat(from.id)
  t.is(messages.filter((message) => linkIn(message)).length, 1)
})

test.serial('Retry pressed by someone else does nothing, and they are told', async (t) => {
  const chat = { id: -1008301, type: 'supergroup' as const, title: 'Friends' }
  const { message, data } = await fail({ id: 8301 }, chat)
  await api.press({ from: { id: 8302 }, chat_id: chat.id, message_id: message.message_id, data })
  const [answer] = await until('the press is answered', async () => {
    const { answers } = await api.chat(chat.id)
    return answers.length > 0 && answers
  })
  t.regex(answer?.text ?? '', /Only the person who asked/)
  t.deepEqual(app.sql('SELECT status FROM jobs WHERE chat_id = ?', chat.id), [{ status: 'FAILED' }])
})

test.serial('Retry of a file that waits for its turn says so, however often it is pressed', async (t) => {
  const from = { id: 8303 }
  const { message, data } = await fail(from)
  app.sql(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
     INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, turn, due_at, slot_at, created_at, updated_at)
     SELECT kind, 'others ' || i, status, bot_id, user_id, chat_id, 0, payload, 0, due_at, slot_at, created_at, updated_at
     FROM jobs, n WHERE user_id = ?`,
    from.id,
  )
  const press = () => api.press({ from, chat_id: from.id, message_id: message.message_id, data })
  await Promise.all([press(), press()])
  const answers = await until('both presses are answered', async () => {
    const { answers } = await api.chat(from.id)
    return answers.length === 2 && answers
  })
  for (const { text } of answers) {
    t.regex(text ?? '', /^Your file waits for its turn, which comes in about (1 h|1 h 5 min)\.$/)
  }
  t.is(app.sql(`SELECT 1 FROM jobs WHERE user_id = ? AND status = 'QUEUED'`, from.id).length, 1)
  app.sql('DELETE FROM jobs WHERE user_id = ?', from.id)
})

test.serial('Retry of a file for which Telegram wants the bot to wait says so', async (t) => {
  const from = { id: 8304 }
  // The failures of other tests speak for this one's no more.
  await linkFor(api, await api.sendFile({ from, seed: 'first' }))
  await api.fault({ method: 'getFile', ...refusal(500, 'Internal Server Error') })
  const sent = await api.sendFile({ from })
  const message = await api.waitForMessage(from.id, ({ text }) => /next try/.test(text ?? ''))
  const data = String(message.inline_keyboard?.[0]?.[0]?.callback_data)
  await api.fault({ method: 'getFile', ...refusal(429, 'Too Many Requests: retry after 5', 5) })
  const press = () => api.press({ from, chat_id: from.id, message_id: message.message_id, data })
  await press()
  await until(
    'it is held',
    () => app.sql(`SELECT 1 FROM jobs WHERE user_id = ? AND error_type = 'RATE_LIMIT'`, from.id).length === 1,
  )
  await press()
  await until('both presses are answered', async () => (await api.chat(from.id)).answers.length === 2)
  t.deepEqual(
    (await api.chat(from.id)).answers.map(({ text }) => text),
    [
      'Trying again.',
      'Telegram asks this bot to slow down. Your file goes on by itself in less than a minute.',
    ],
  )
  await linkFor(api, sent)
})

test('Retry pressed again and again while it cannot be is refused in one message, which names the file once', async (t) => {
  await using server = await startBotApi()
  await using _program = await startApp({ api: server, env: { USER_QUOTA: '5000' } })
  const from = { id: 8303 }
  await server.fault({ method: 'getFile', ...refusal(400, 'Bad Request: something new') })
  await server.sendFile({ from, size: 3000, name: 'first.bin' })
  const { message_id, inline_keyboard } = await server.waitForMessage(from.id, ({ text }) =>
    transfer.test(text ?? ''),
  )
  await linkFor(server, await server.sendFile({ from, size: 4000 }))
  const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
  for (let times = 0; times < 5; times++) await server.press({ from, chat_id: from.id, message_id, data })
  await until('all are answered', async () => (await server.chat(from.id)).answers.length === 5)
  await server.sendText('/help', { from })
  await server.waitForMessage(from.id, ({ text }) => /^Send me a file/.test(text ?? ''))
  const refusals = (await saidIn(server, from.id)).filter((text) => /not taken/.test(text))
  t.is(refusals.length, 1)
  t.regex(refusals[0] ?? '', /^first\.bin \(3 kB\) was not taken: your quota has 1 kB left\./)
})
