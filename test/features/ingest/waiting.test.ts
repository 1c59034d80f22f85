import test from 'ava'
import { type StandIn, startBotApi } from '../../bot-api/client.ts'
import { linkFor, linkIn, saidIn } from '../../helpers/chat.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

/** Sends so many files of their own, and waits until each has its job. */
async function burst(api: StandIn, app: App, count: number) {
  const sent = []
  for (let file = 0; file < count; file++)
    sent.push(await api.sendFile({ name: `${file}.bin`, seed: `${file}` }))
  await until('each has a job', () => app.sql('SELECT id FROM jobs').length === count)
  return sent
}

/** As if so many minutes had gone by. */
function pass(app: App, minutes: number): void {
  const ago = minutes * 60_000
  app.sql('UPDATE jobs SET slot_at = slot_at - ?, due_at = due_at - ?', ago, ago)
  app.sql('UPDATE waiting_files SET slot_at = slot_at - ?', ago)
}

const notice = (api: StandIn, pattern: RegExp, ms?: number) =>
  api.waitForMessage(1001, ({ text }) => pattern.test(text ?? ''), ms)

test('of 50 files at once each gets its link, and one message counts those that wait', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ flood_limits: true })
  const sent = await burst(api, app, 50)
  const { message_id } = await notice(
    api,
    /^40 files wait for their turn\.\nI take 10 files a minute and 600 an hour.*The last one has its turn in about 4 min\.$/,
    60_000,
  )
  for (const message of sent.slice(0, 10)) await linkFor(api, message, 60_000)
  t.is(app.sql('SELECT uuid FROM links').length, 10)
  pass(app, 1)
  await notice(api, /^30 files wait for their turn\..*\n.*in about 3 min\.$/, 60_000)
  pass(app, 4)
  for (const message of sent.slice(10)) await linkFor(api, message, 180_000)
  const end = await notice(api, /^All 40 files that had to wait have had their turn\.$/, 60_000)
  t.is(end.message_id, message_id, 'the same message all the time')
  const { messages } = await api.chat(1001)
  const said = messages.filter(({ from }) => from.is_bot)
  t.is(said.length, 51)
  t.is(said.filter((message) => linkIn(message)).length, 50)
  for (const message of said.filter(({ message_id: id }) => id !== message_id)) {
    t.truthy(message.reply_to_message_id)
  }
  const refused = (await api.calls()).filter(({ status }) => status === 429)
  t.deepEqual(refused, [], 'all of it within what Telegram lets a bot say')
  t.deepEqual(app.sql('SELECT * FROM waiting_files'), [])
  t.deepEqual(app.sql('SELECT * FROM waiting_notices'), [])
})

test('a kill while files wait loses none of them and tells nothing twice', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE: '2' } })
  const sent = await burst(api, app, 6)
  await notice(api, /^4 files wait/)
  await app.restart('SIGKILL', { RATE_LIMIT_PER_MINUTE: '2' })
  pass(app, 1)
  for (const message of sent.slice(0, 4)) await linkFor(api, message, 30_000)
  await app.restart('SIGKILL', { RATE_LIMIT_PER_MINUTE: '2' })
  await notice(api, /^2 files wait/, 30_000)
  pass(app, 2)
  for (const message of sent) await linkFor(api, message, 30_000)
  await notice(api, /^All 4 files that had to wait have had their turn/, 30_000)
  t.is((await saidIn(api, 1001)).length, 7)
})

test('a count that was on its way in a crash is found behind the files of its burst, and stands once', async (t) => {
  t.timeout(120_000)
  const RATE_LIMIT_PER_MINUTE = '1'
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE } })
  await linkFor(api, await api.sendFile({ seed: 'first' }))
  await api.fault({ method: 'sendMessage', delay_ms: 6000, hang: true, after: true })
  await api.sendFile({ seed: 'second' })
  await until(
    'it is on its way',
    () =>
      app.sql('SELECT id FROM messages WHERE message_id IS NULL AND sending_after IS NOT NULL').length === 1,
  )
  for (let file = 0; file < 15; file++) await api.sendFile({ seed: `${file}` })
  await until('all of them wait', () => app.sql('SELECT job_id FROM waiting_files').length === 16)
  const { message_id } = await notice(api, /^1 file waits for its turn/, 20_000)
  await app.restart('SIGKILL', { RATE_LIMIT_PER_MINUTE: '1' })
  const { message_id: found } = await notice(api, /^16 files wait for their turn/, 30_000)
  t.is(found, message_id)
  t.is((await saidIn(api, 1001)).filter((text) => / waits? for /.test(text)).length, 1)
})

test('that no file waits any more is said before the last one has its link', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE: '1' } })
  const [, second] = await burst(api, app, 2)
  await notice(api, /^1 file waits for its turn/)
  pass(app, 1)
  const link = await linkFor(api, second as { chat_id: number; message_id: number }, 30_000)
  const { edits } = await notice(api, /^The file that had to wait has had its turn\.$/, 20_000)
  const saidAt = Number(edits.at(-1)?.at)
  t.true(saidAt <= link.message.at, `${saidAt - link.message.at} ms after the link`)
})

test('the limits of an hour let files wait as well, and the next burst has a message of its own', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { MAX_JOBS_PER_USER_PER_HOUR: '1' } })
  const [, second] = await burst(api, app, 2)
  const first = await notice(
    api,
    /^1 file waits for its turn\.\nI take 10 files a minute and 1 an hour.*in about 1 h\.$/,
  )
  pass(app, 61)
  await linkFor(api, second as { chat_id: number; message_id: number }, 30_000)
  await notice(api, /^The file that had to wait has had its turn\.$/, 30_000)
  await api.sendFile({ seed: 'third' })
  await api.sendFile({ seed: 'fourth' })
  // The chat's limit lets the first count go, or only the second.
  const next = await notice(api, /^(1 file waits for its|2 files wait for their) turn/, 30_000)
  t.not(next.message_id, first.message_id)
})

test('who waits in a group because of what others sent there is told of the chat’s limit', async (t) => {
  await using api = await startBotApi()
  const env = { MAX_JOBS_PER_CHAT_PER_HOUR: '2', RATE_LIMIT_PER_MINUTE: '1' }
  await using _app = await startApp({ api, env })
  const chat = { id: -1_000_000_000_056, type: 'supergroup' as const, title: 'Group' }
  const ask = (id: number) =>
    api.sendFile({ chat, from: { id }, caption: api.mention, seed: `${Math.random()}` })
  const told = ({ message_id }: { message_id: number }) =>
    api
      .waitForMessage(chat.id, ({ reply_to_message_id: to }) => to === message_id)
      .then(({ text }) => text ?? '')
  await linkFor(api, await ask(1001))
  t.regex(
    await told(await ask(1001)),
    /I take 1 file a minute and 600 an hour from one person; .*less than a minute/,
  )
  t.regex(await told(await ask(1002)), /I take 2 files an hour from this chat; .*about 1 h\.$/)
})

test('in a private chat its limit and its user’s are one', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { MAX_JOBS_PER_CHAT_PER_HOUR: '1' } })
  await burst(api, app, 2)
  const { text } = await notice(api, /in about 1 h\.$/)
  t.regex(text ?? '', /I take 10 files a minute and 1 an hour from one person; /)
})

test('a file that has waited shows its progress while it comes, in the message that gets the link', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE: '1' } })
  await linkFor(api, await api.sendFile({ seed: 'first' }))
  await api.settings({ download_bytes_per_second: 200_000 })
  const sent = await api.sendFile({ name: 'film.mkv', size: 2_000_000 })
  await notice(api, /^1 file waits/)
  pass(app, 1)
  const bar = await notice(api, /^film\.mkv \(2 MB\)\n▓.* %/, 30_000)
  t.is(bar.reply_to_message_id, sent.message_id)
  await notice(api, /^The file that had to wait has had its turn/)
  const link = await linkFor(api, sent, 30_000)
  t.is(link.message.message_id, bar.message_id)
})

test('a file that has waited and fails says so itself', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE: '1' } })
  await linkFor(api, await api.sendFile({ seed: 'first' }))
  const error = { error_code: 400, description: 'Bad Request: something new' }
  await api.fault({ method: 'getFile', error })
  const sent = await api.sendFile({ seed: 'second' })
  await notice(api, /^1 file waits/)
  pass(app, 1)
  const failed = await notice(api, /transfer from Telegram failed\. Press Retry/, 20_000)
  t.is(failed.reply_to_message_id, sent.message_id)
  await notice(api, /^The file that had to wait has had its turn/, 20_000)
})

test('the message is kept up to date while nothing moves', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { MAX_JOBS_PER_USER_PER_HOUR: '1' } })
  await burst(api, app, 2)
  await notice(api, /in about 1 h\.$/)
  pass(app, 30)
  await notice(api, /in about 30 min\.$/, 80_000)
  t.is((await saidIn(api, 1001)).length, 2)
})

test('each of many files that cannot be taken is named, in one message', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { MAX_FILE_SIZE: '1000000' } })
  const names = Array.from({ length: 40 }, (_, file) => `holiday-${file}.iso`)
  const [first] = await Promise.all(
    names.map((name) => api.sendFile({ name, announced_size: 2e6, size: 10 })),
  )
  const all = await api.waitForMessage(
    1001,
    ({ text }) => /^40 files were not taken:/.test(text ?? ''),
    30_000,
  )
  for (const name of names) t.true(all.text?.includes(`• ${name} (2 MB): the limit is 1 MB\n`), name)
  t.regex(all.text ?? '', /Send a smaller file, or split it into parts\.$/)
  t.is((await saidIn(api, 1001)).length, 1)
  t.truthy(first)
  t.deepEqual(app.sql('SELECT id FROM jobs'), [])
})

test('what is too much for one message of Telegram goes on in a second one', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using _app = await startApp({ api, env: { MAX_FILE_SIZE: '1000000' } })
  const names = Array.from({ length: 30 }, (_, file) => `${file}-${'x'.repeat(200)}.iso`)
  for (const name of names) await api.sendFile({ name, announced_size: 2e6, size: 10 })
  await until(
    'each is named',
    async () => {
      const said = (await saidIn(api, 1001)).join('\n')
      return names.every((name) => said.includes(name))
    },
    30_000,
  )
  t.is((await saidIn(api, 1001)).length, 3)
})

test('in each topic of a group the files that wait, and those that cannot be taken, are told of', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using _app = await startApp({ api, env: { RATE_LIMIT_PER_MINUTE: '1', MAX_FILE_SIZE: '1000000' } })
  const chat = { id: -1_000_000_000_055, type: 'supergroup' as const, title: 'Forum', is_forum: true }
  const ask = (topic: number, more: object = {}) =>
    api.sendFile({ chat, caption: api.mention, message_thread_id: topic, seed: `${Math.random()}`, ...more })
  await linkFor(api, await ask(7))
  for (const topic of [7, 8]) {
    const waits = await ask(topic)
    const refused = await ask(topic, { announced_size: 2e6 })
    for (const [text, asked] of [
      [/^1 file waits for its turn/, waits],
      [/was not taken: the limit is 1 MB/, refused],
    ] as const) {
      const said = await api.waitForMessage(
        chat.id,
        (message) => message.message_thread_id === topic && text.test(message.text ?? ''),
        30_000,
      )
      t.is(said.reply_to_message_id, asked.message_id)
    }
  }
})
