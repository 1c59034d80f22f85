import test from 'ava'
import { callApi } from '../../bot-api/call-api.ts'
import type { StandIn } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import type { App } from '../../helpers/start-app.ts'
import { startForAll } from '../../helpers/start-for-all.ts'
import { until } from '../../helpers/until.ts'

let api: StandIn
let app: App
startForAll({ FILE_RETENTION_DAYS: '7', MAX_FILE_SIZE: '1572864' }, (server, program) => {
  api = server
  app = program
})

for (const [index, command] of ['/start', '/help', '/start from-a-link'].entries()) {
  test(`${command} says what the bot does, with its limits`, async (t) => {
    const from = { id: 6000 + index }
    await api.sendText(command, { from })
    const { text } = await api.waitForMessage(from.id, (message) => message.from.is_bot)
    t.regex(text ?? '', /Send me a file/)
    t.regex(text ?? '', /1\.6 MB/)
    t.regex(text ?? '', /7 days/)
  })
}

test('Telegram is told the commands for its menu', async (t) => {
  const call = await until('the call', async () => (await api.calls('setMyCommands'))[0])
  t.deepEqual(
    (call.params.commands as { command: string }[]).map(({ command }) => command),
    ['start', 'help', 'link'],
  )
})

test('text that is no command gets one friendly sentence', async (t) => {
  const from = { id: 6010 }
  const { message_id } = await api.sendText('hello?', { from })
  const answer = await api.waitForMessage(from.id, (message) => message.from.is_bot)
  t.regex(answer.text ?? '', /not a file: send me/)
  t.is(answer.reply_to_message_id, message_id)
})

test('the final message shows name, size, link and the day it ends, without a preview of the page', async (t) => {
  const from = { id: 6011 }
  const sent = await api.sendFile({ from, name: 'a.bin', size: 1_500_000 })
  const { message } = await linkFor(api, sent)
  t.is(message.reply_to_message_id, sent.message_id)
  const [first, second, third, ...others] = message.text?.split('\n') ?? []
  t.is(first, 'a.bin (1.5 MB)')
  t.regex(second ?? '', /^https:\/\/files\.example\.org\/download\/[0-9a-f-]{36}\/a\.bin$/)
  const end = new Date(Date.now() + 7 * 86_400_000)
  const day = end.toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' })
  t.regex(third ?? '', new RegExp(`until ${day}, \\d\\d:\\d\\d UTC\\.$`))
  t.deepEqual(others, [])
  t.true(message.link_preview_disabled)
  t.is(message.inline_keyboard, undefined)
})

test('every link has a UUID of version 4 of its own, also for the same file, which is fetched once', async (t) => {
  const from = { id: 6012 }
  const file = { from, unique_id: 'known-file', size: 5000 }
  const first = await linkFor(api, await api.sendFile(file))
  const second = await linkFor(api, await api.sendFile(file))
  t.not(first.uuid, second.uuid)
  t.regex(second.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const rows = app.sql<{ data: string }>(
    `SELECT data FROM job_events JOIN jobs ON jobs.id = job_id
     WHERE user_id = ? AND event_type = 'JOB_COMPLETED' ORDER BY job_events.id`,
    from.id,
  )
  t.deepEqual(
    rows.map(({ data }) => JSON.parse(data).intake),
    ['link', 'known'],
  )
  t.deepEqual((await app.get(first.path)).body, (await app.get(second.path)).body)
})

test('the files of an album get a link each, with names that differ', async (t) => {
  const from = { id: 6030 }
  const sent = []
  for (let i = 0; i < 4; i++) {
    sent.push(await api.sendFile({ from, kind: 'photo', size: 3000 + i, media_group_id: 'album' }))
  }
  const links = await Promise.all(sent.map((message) => linkFor(api, message)))
  const sizes = await Promise.all(links.map(async ({ path }) => (await app.get(path)).body.length))
  t.deepEqual(sizes, [3000, 3001, 3002, 3003])
  const names = app.sql<{ name: string }>('SELECT name FROM links WHERE user_id = ?', from.id)
  t.is(new Set(names.map(({ name }) => name)).size, 4)
})

for (const [index, [command, answer]] of (
  [
    ['/stats', "I don't know /stats. /help lists what I can do."],
    ['/STATS today', "I don't know /stats. /help lists what I can do."],
    ['/link', 'There is no file here to make a link of: reply to a message that has one with /link.'],
  ] as const
).entries()) {
  test(`${command} has its own answer`, async (t) => {
    const from = { id: 6040 + index }
    await api.sendText(command, { from })
    const { text } = await api.waitForMessage(from.id, (message) => message.from.is_bot)
    t.is(text, answer)
  })
}

test('/link as an answer to a file makes another link of it, also in a private chat', async (t) => {
  const from = { id: 6045 }
  const file = await api.sendFile({ from, seed: 'answered' })
  const first = await linkFor(api, file)
  const second = await linkFor(
    api,
    await api.sendText('/link', { from, reply_to_message_id: file.message_id }),
  )
  t.not(first.uuid, second.uuid)
})

test('a name is no link in the chat', async (t) => {
  const sent = await api.sendFile({ from: { id: 6050 }, name: 'README.md', size: 10 })
  const { message } = await linkFor(api, sent)
  const marks = message.entities?.map(({ type, offset }) => [type, offset])
  t.deepEqual(marks, [
    ['code', 0],
    ['url', Number(message.text?.indexOf('https'))],
  ])
})

test('a press of a button that the bot does not know is answered', async (t) => {
  const from = { id: 6060 }
  const { message_id } = (await linkFor(api, await api.sendFile({ from, seed: 'pressed' }))).message
  // Of a release that knew other buttons.
  await callApi(api, 'editMessageReplyMarkup', {
    chat_id: from.id,
    message_id,
    reply_markup: { inline_keyboard: [[{ text: 'Old', callback_data: 'old:1' }]] },
  })
  await api.press({ from, chat_id: from.id, message_id, data: 'old:1' })
  const [answer] = await until('the answer', async () => {
    const { answers } = await api.chat(from.id)
    return answers.length > 0 && answers
  })
  t.is(answer?.text, 'This button has no use any more.')
})

// By itself: its fault may meet any answer to a press.
test.serial('a press whose time is over does no harm', async (t) => {
  const from = { id: 6070 }
  const { message_id } = (await linkFor(api, await api.sendFile({ from, seed: 'late press' }))).message
  await callApi(api, 'editMessageReplyMarkup', {
    chat_id: from.id,
    message_id,
    reply_markup: { inline_keyboard: [[{ text: 'Retry', callback_data: 'retry:999999999' }]] },
  })
  const description = 'Bad Request: query is too old and response timeout expired or query ID is invalid'
  await api.fault({ method: 'answerCallbackQuery', error: { error_code: 400, description } })
  const press = () => api.press({ from, chat_id: from.id, message_id, data: 'retry:999999999' })
  await press()
  await press()
  const [answer] = await until('the second answer', async () => {
    const { answers } = await api.chat(from.id)
    return answers.length > 0 && answers
  })
  t.is(answer?.text, 'That was too long ago. Send the file again.')
  t.deepEqual(
    app.lines.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level)),
    [],
  )
})

test('a file is taken whatever its caption says', async (t) => {
  await linkFor(api, await api.sendFile({ from: { id: 6080 }, caption: '/help@someone_elses_bot', size: 10 }))
  t.pass()
})
