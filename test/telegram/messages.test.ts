import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { TelegramApi } from '../../app/telegram/api.ts'
import { Messages } from '../../app/telegram/messages.ts'
import { escapeHtml } from '../../app/telegram/outgoing.ts'
import { callApi } from '../bot-api/call-api.ts'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { saidIn } from '../helpers/chat.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { until } from '../helpers/until.ts'

let server: StandIn

test.before(async () => {
  server = await startBotApi()
  await callApi(server, 'getMe')
})
test.after.always(() => server?.stop())

let lastUser = 9000

/** A user who has written to the bot. */
async function newChat(): Promise<number> {
  const id = ++lastUser
  await server.sendText('hi', { from: { id } })
  return id
}

let lastGroup = 100_500
const newGroup = () => ++lastGroup

interface Sender extends AsyncDisposable {
  depot: Depot
  messages: Messages
  restart(): Promise<void>
}

async function startSender(of = server): Promise<Sender> {
  const depot = await openDepot()
  const api = new TelegramApi(of.url, of.token)
  const create = () => new Messages(api, depot.database, depot.log)
  const sender: Sender = {
    depot,
    messages: create(),
    async restart() {
      await sender.messages.stop()
      sender.messages = create()
      sender.messages.start()
    },
    async [Symbol.asyncDispose]() {
      await sender.messages.stop()
      api.close()
      await depot[Symbol.asyncDispose]()
    },
  }
  sender.messages.start()
  return sender
}

const refusal = (error_code: number, description: string, retry_after?: number) => ({
  error: { error_code, description, ...(retry_after !== undefined && { retry_after }) },
})

const said = (chatId: number, count: number, ms?: number) =>
  until(
    `${count} messages in the chat`,
    async () => {
      const texts = await saidIn(server, chatId)
      return texts.length >= count && texts
    },
    ms,
  )

/** When the calls for a chat came, in milliseconds after the first one, each with its text. */
async function callsFor(chatId: number): Promise<{ at: number; method: string; text: unknown }[]> {
  const calls = (await server.calls()).filter(({ params }) => Number(params.chat_id) === chatId)
  return calls.map(({ at, method, params }) => ({ at: at - (calls[0]?.at ?? 0), method, text: params.text }))
}

async function shown(t: ExecutionContext, chatId: number, text: string, ms?: number): Promise<void> {
  await server.waitForMessage(chatId, (message) => message.text === text, ms)
  t.pass()
}

test('messages of one chat arrive in their order', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  // A second each, after a burst of three.
  const texts = Array.from({ length: 8 }, (_, i) => `message ${i}`)
  for (const text of texts) await sender.messages.post({ chatId, text })
  t.deepEqual(await said(chatId, 8, 20_000), texts)
})

test('a message is sent after the transaction that wrote it, and not at all when that fails', async (t) => {
  await using sender = await startSender()
  const { database } = sender.depot
  const chatId = await newChat()
  await t.throwsAsync(
    database.transaction(async () => {
      await sender.messages.post({ chatId, text: 'undone' })
      throw new Error('no')
    }),
  )
  await database.transaction(async () => {
    await sender.messages.post({ chatId, text: 'done' })
    await delay(100)
    t.deepEqual(await saidIn(server, chatId), [])
  })
  t.deepEqual(await said(chatId, 1), ['done'])
})

test('Telegram’s pause is kept for the whole chat and to the second, its order stays, and other chats go on', async (t) => {
  await using sender = await startSender()
  const [chatId, other] = [await newChat(), await newChat()]
  await server.fault({
    method: 'sendMessage',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 2', 2),
  })
  await sender.messages.post({ chatId, text: 'first' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await sender.messages.post({ chatId, text: 'second' })
  await sender.messages.post({ chatId: other, text: 'elsewhere' })
  await said(other, 1, 1900)
  t.deepEqual(await said(chatId, 2), ['first', 'second'])
  const [, again] = await callsFor(chatId)
  t.true(Number(again?.at) >= 2000 && Number(again?.at) < 6000, `${again?.at} ms`)
})

test('a text that changes during Telegram’s pause waits for its end', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  await server.fault({
    method: 'sendMessage',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 2', 2),
  })
  const id = await sender.messages.post({ chatId, text: 'received' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await delay(100)
  await sender.messages.revise(id, { text: 'the link' })
  t.deepEqual(await said(chatId, 1), ['the link'])
  const [, again] = await callsFor(chatId)
  t.true(Number(again?.at) >= 2000, `${again?.at} ms`)
})

test('Telegram’s pause after a progress bar is kept as well', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  const id = await sender.messages.post({ chatId, text: 'received' })
  await said(chatId, 1)
  await until('it is recorded', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  await server.fault({
    method: 'editMessageText',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 2', 2),
  })
  sender.messages.showProgress(id, () => '50 %')
  await until('the refusal', async () => (await callsFor(chatId)).length === 2)
  await delay(100)
  await sender.messages.revise(id, { text: 'the link' })
  await shown(t, chatId, 'the link')
  const [, bar, link] = await callsFor(chatId)
  t.true(Number(link?.at) - Number(bar?.at) >= 2000)
})

for (const [title, fault] of [
  ['a fault of the server', refusal(500, 'Internal Server Error')],
  ['a connection cut before the call', { cut: true }],
  ['a page of a proxy with 502', { body: '<html>', status: 502 }],
  ['a page of a proxy with 403', { body: '<html>', status: 403 }],
  ['a page of a proxy with 400', { body: '<html>', status: 400 }],
  ['a page of a proxy with 200', { body: '<html>', status: 200 }],
] as const) {
  test(`${title} does not lose a message`, async (t) => {
    await using sender = await startSender()
    const chatId = await newChat()
    await server.fault({ method: 'sendMessage', chat_id: chatId, ...fault })
    await sender.messages.post({ chatId, text: 'hello' })
    t.deepEqual(await said(chatId, 1), ['hello'])
    const sent = (await callsFor(chatId)).filter(({ method }) => method === 'sendMessage')
    t.is(sent.length, 2, 'the next attempt is enough')
  })
}

test('an edit whose answer is lost is made again, and "not modified" is success', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  const id = await sender.messages.post({ chatId, text: 'received' })
  await said(chatId, 1)
  await server.fault({ method: 'editMessageText', chat_id: chatId, cut: true, after: true })
  await sender.messages.revise(id, { text: 'the link' })
  await shown(t, chatId, 'the link')
  const [row] = await until('it is recorded', async () => {
    const rows = await sender.depot.database.query<{ failure: string | null }>(
      'SELECT failure FROM messages WHERE sent_revision = revision',
    )
    return rows.length === 1 && rows
  })
  t.is(row?.failure, null)
  t.is((await callsFor(chatId)).filter(({ method }) => method === 'editMessageText').length, 2)
})

test('a status message that the user has deleted is sent anew', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  const id = await sender.messages.post({ chatId, text: 'received' })
  const { message_id } = await server.waitForMessage(chatId, ({ text }) => text === 'received')
  await callApi(server, 'deleteMessage', { chat_id: chatId, message_id })
  await until('it is recorded', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE message_id IS NOT NULL')
    return rows.length === 1
  })
  await sender.messages.revise(id, { text: 'the link' })
  t.not((await server.waitForMessage(chatId, ({ text }) => text === 'the link')).message_id, message_id)
})

test('a user who has blocked the bot ends a message, and no other one', async (t) => {
  await using sender = await startSender()
  const [chatId, other] = [await newChat(), await newChat()]
  await server.block(chatId)
  await sender.messages.post({ chatId, text: 'lost' })
  const [row] = await until('the failure', async () => {
    const rows = await sender.depot.database.query<{ failure: string }>(
      'SELECT failure FROM messages WHERE failure IS NOT NULL',
    )
    return rows.length === 1 && rows
  })
  t.regex(row?.failure ?? '', /Forbidden: bot was blocked by the user/)
  await server.block(chatId, false)
  await sender.messages.post({ chatId, text: 'again' })
  await sender.messages.post({ chatId: other, text: 'other' })
  t.deepEqual(await said(chatId, 1), ['again'])
  t.deepEqual(await said(other, 1), ['other'])
})

test('a group gets a burst of three, one message a second, and 20 a minute, while other chats go on', async (t) => {
  await using sender = await startSender()
  const [group, other] = [-newGroup(), await newChat()]
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  for (let message = 0; message < 24; message++)
    await sender.messages.post({ chatId: group, text: `message ${message}` })
  await said(group, 20, 40_000)
  const since = Date.now()
  for (const text of ['one', 'two', 'three']) await sender.messages.post({ chatId: other, text })
  t.deepEqual(await said(other, 3), ['one', 'two', 'three'])
  t.true(Date.now() - since < 2000, 'the private chat waits for nobody')
  // A message a second would have left meanwhile.
  await sender.messages.post({ chatId: other, text: 'four' })
  await said(other, 4)
  const calls = await callsFor(group)
  t.is(calls.length, 20)
  t.true(Number(calls[2]?.at) < 1500, 'the burst')
  for (const [at, call] of calls.slice(3).entries())
    t.true(call.at >= (at + 1) * 1000 - 500, `call ${at + 4} after ${call.at} ms`)
})

test('final texts do not wait for progress bars, however many a group has', async (t) => {
  await using sender = await startSender()
  const { messages } = sender
  const group = -newGroup()
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  const ids: number[] = []
  for (let file = 0; file < 5; file++) ids.push(await messages.post({ chatId: group, text: `file ${file}` }))
  await said(group, 5)
  let percent = 0
  const bars = setInterval(() => {
    percent++
    for (const id of ids) messages.showProgress(id, () => `${percent} %`)
  }, 50)
  t.teardown(() => clearInterval(bars))
  await until('all that progress may use is used', async () => (await callsFor(group)).length === 10, 40_000)
  const since = Date.now()
  for (const id of ids) await messages.revise(id, { text: `link ${id}` })
  const links = ids.map((id) => `link ${id}`)
  await until('all links', async () => (await saidIn(server, group)).join() === links.join())
  const took = Date.now() - since
  t.true(took < 6000, `${took} ms for five texts, one a second`)
})

test('the calls that look for a message which may have been sent keep Telegram’s pace', async (t) => {
  await using sender = await startSender()
  const chatId = ++lastUser
  const { message_id } = await server.sendText('hi', { from: { id: chatId } })
  await server.fault({ method: 'sendMessage', chat_id: chatId, cut: true })
  await sender.messages.post({ chatId, text: 'hello', replyTo: message_id })
  t.deepEqual(await said(chatId, 1, 30_000), ['hello'])
  const calls = await callsFor(chatId)
  t.true(calls.length > 5, `${calls.length} calls`)
  for (const [from, first] of calls.entries()) {
    for (const [more, last] of calls.slice(from).entries()) {
      // A burst of three, then one a second; each may be a little late on its way.
      const allowed = 3 + (last.at - first.at) / 1000 + 0.5
      t.true(more + 1 <= allowed, `${more + 1} calls within ${last.at - first.at} ms`)
    }
  }
})

test('Telegram’s pause while a message is looked for does not make it sent twice', async (t) => {
  // All private chats of a bot share their ids: those of the other tests would come in between.
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startSender(own)
  const { chat_id: chatId, message_id } = await own.sendText('hi')
  await own.fault({ method: 'sendMessage', cut: true, after: true })
  const pause = refusal(429, 'Too Many Requests: retry after 1', 1)
  await own.fault({ method: 'editMessageText', ...pause })
  await sender.messages.post({ chatId, text: 'hello', replyTo: message_id })
  await until('it is recorded', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  t.deepEqual(await saidIn(own, chatId), ['hello'])
  const calls = (await own.calls()).map(({ method, status }) => `${method} ${status}`)
  t.true(calls.includes('editMessageText 429'))
})

test('an end while a message is looked for waits for no pace, and the next start looks again', async (t) => {
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startSender(own)
  const { message_id, chat_id: chatId } = await own.sendText('hi')
  await own.fault({ method: 'sendMessage', cut: true })
  await sender.messages.post({ chatId, text: 'hello', replyTo: message_id })
  await until('it waits for its turn', async () => (await own.calls('editMessageText')).length >= 3)
  const since = Date.now()
  await sender.messages.stop()
  t.true(Date.now() - since < 900, `${Date.now() - since} ms`)
  await sender.restart()
  await own.waitForMessage(chatId, ({ text }) => text === 'hello', 30_000)
  t.is((await own.calls('sendMessage')).length, 2)
})

test('of several changes the chat ends with the last', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  const id = await sender.messages.post({ chatId, text: 'received' })
  for (let i = 0; i < 10; i++) await sender.messages.revise(id, { text: `change ${i}` })
  await shown(t, chatId, 'change 9')
  t.is((await saidIn(server, chatId)).length, 1)
})

test('what was not sent before the end is sent after the next start', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  await server.fault({ method: 'sendMessage', chat_id: chatId, ...refusal(500, 'Internal Server Error') })
  await sender.messages.post({ chatId, text: 'hello' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await sender.restart()
  t.deepEqual(await said(chatId, 1), ['hello'])
})

test('a message that answers one which is gone is sent as well', async (t) => {
  await using sender = await startSender()
  const chatId = await newChat()
  await sender.messages.post({ chatId, text: 'hello', replyTo: 999_999 })
  t.deepEqual(await said(chatId, 1), ['hello'])
})

test('a name cannot become markup', (t) => {
  t.is(escapeHtml('<b>&amp;</b>'), '&lt;b&gt;&amp;amp;&lt;/b&gt;')
})
