import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { callApi } from '../bot-api/call-api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { saidIn } from '../helpers/chat.ts'
import { until } from '../helpers/until.ts'
import {
  callsFor,
  newChat,
  newGroup,
  refusal,
  said,
  serveForAll,
  server,
  shown,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

test('Telegram’s pause is kept for the whole chat and to the second, its order stays, and other chats go on', async (t) => {
  await using sender = await startOutbox()
  const [chatId, other] = [await newChat(), await newChat()]
  await server.fault({
    method: 'sendMessage',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 2', 2),
  })
  await sender.outbox.post({ chatId, text: 'first' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await sender.outbox.post({ chatId, text: 'second' })
  await sender.outbox.post({ chatId: other, text: 'elsewhere' })
  await said(other, 1, 1900)
  t.deepEqual(await said(chatId, 2), ['first', 'second'])
  const [, again] = await callsFor(chatId)
  t.true(Number(again?.at) >= 2000 && Number(again?.at) < 6000, `${again?.at} ms`)
})

test('a text that changes during Telegram’s pause waits for its end', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await server.fault({
    method: 'sendMessage',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 2', 2),
  })
  const id = await sender.outbox.post({ chatId, text: 'received' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await delay(100)
  await sender.outbox.revise(id, { text: 'the link' })
  t.deepEqual(await said(chatId, 1), ['the link'])
  const [, again] = await callsFor(chatId)
  t.true(Number(again?.at) >= 2000, `${again?.at} ms`)
})

test('Telegram’s pause after a progress bar is kept as well', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const id = await sender.outbox.post({ key: 'file', chatId, text: 'received' })
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
  sender.outbox.showProgress('file', () => ({ chatId, text: '50 %' }))
  await until('the refusal', async () => (await callsFor(chatId)).length === 2)
  await delay(100)
  await sender.outbox.revise(id, { text: 'the link' })
  await shown(t, chatId, 'the link')
  const [, bar, link] = await callsFor(chatId)
  t.true(Number(link?.at) - Number(bar?.at) >= 2000)
})

test('links go before words that only say how it goes, and a text that changes keeps its place', async (t) => {
  await using sender = await startOutbox()
  const chats = await Promise.all(Array.from({ length: 60 }, () => newChat()))
  const words = chats.slice(0, 50)
  const ids = await sender.depot.database.transaction(() =>
    Promise.all(words.map((chatId) => sender.outbox.post({ chatId, text: 'received' }))),
  )
  const links = chats.slice(50)
  for (const chatId of links) await sender.outbox.post({ chatId, text: 'a link', topic: 'job:1' })
  const changed = [5, 45].map((at) => ({ id: Number(ids[at]), chatId: Number(words[at]) }))
  for (const { id } of changed) await sender.outbox.revise(id, { text: 'its turn is near' })
  for (const chatId of chats) await said(chatId, 1, 30_000)
  const order = (await server.calls('sendMessage'))
    .map(({ params }) => Number(params.chat_id))
    .filter((chatId) => chats.includes(chatId))
  const at = (chatId: number) => order.indexOf(chatId)
  t.true(Math.max(...links.map(at)) < at(Number(words[49])), 'links first')
  for (const { chatId } of changed) t.true(at(chatId) < at(Number(words[49])), 'in its place')
})

test('a group gets a burst of three, one message a second, and 20 a minute, while other chats go on', async (t) => {
  await using sender = await startOutbox()
  const [group, other] = [-newGroup(), await newChat()]
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  for (let message = 0; message < 24; message++)
    await sender.outbox.post({ chatId: group, text: `message ${message}` })
  await said(group, 20, 40_000)
  const since = Date.now()
  for (const text of ['one', 'two', 'three']) await sender.outbox.post({ chatId: other, text })
  t.deepEqual(await said(other, 3), ['one', 'two', 'three'])
  t.true(Date.now() - since < 2000, 'the private chat waits for nobody')
  // A message a second would have left meanwhile.
  await sender.outbox.post({ chatId: other, text: 'four' })
  await said(other, 4)
  const calls = await callsFor(group)
  t.is(calls.length, 20)
  t.true(Number(calls[2]?.at) < 1500, 'the burst')
  for (const [at, call] of calls.slice(3).entries())
    t.true(call.at >= (at + 1) * 1000 - 500, `call ${at + 4} after ${call.at} ms`)
})

test('final texts do not wait for progress bars, however many a group has', async (t) => {
  await using sender = await startOutbox()
  const { outbox } = sender
  const group = -newGroup()
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  const ids: number[] = []
  for (let file = 0; file < 5; file++) {
    ids.push(await outbox.post({ key: `${file}`, chatId: group, text: `file ${file}` }))
  }
  await said(group, 5)
  let percent = 0
  const bars = setInterval(() => {
    percent++
    for (let file = 0; file < 5; file++)
      outbox.showProgress(`${file}`, () => ({ chatId: group, text: `${percent} %` }))
  }, 50)
  t.teardown(() => clearInterval(bars))
  await until('all that progress may use is used', async () => (await callsFor(group)).length === 10, 40_000)
  const since = Date.now()
  for (const id of ids) await outbox.revise(id, { text: `link ${id}` })
  const links = ids.map((id) => `link ${id}`)
  await until('all links', async () => (await saidIn(server, group)).join() === links.join())
  const took = Date.now() - since
  t.true(took < 6000, `${took} ms for five texts, one a second`)
})

test('the calls that look for a message which may have been sent keep Telegram’s limits', async (t) => {
  await using sender = await startOutbox()
  const { chat_id: chatId, message_id } = await server.sendText('hi')
  await server.fault({ method: 'sendMessage', chat_id: chatId, cut: true })
  await sender.outbox.post({ chatId, text: 'hello', replyTo: message_id })
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
  await using sender = await startOutbox(own)
  const { chat_id: chatId, message_id } = await own.sendText('hi')
  await own.fault({ method: 'sendMessage', cut: true, after: true })
  const pause = refusal(429, 'Too Many Requests: retry after 1', 1)
  await own.fault({ method: 'editMessageText', ...pause })
  await sender.outbox.post({ chatId, text: 'hello', replyTo: message_id })
  await until('it is recorded', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  t.deepEqual(await saidIn(own, chatId), ['hello'])
  const calls = (await own.calls()).map(({ method, status }) => `${method} ${status}`)
  t.true(calls.includes('editMessageText 429'))
})

test('an end while a message is looked for waits for no limiter, and the next start looks again', async (t) => {
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startOutbox(own)
  const { message_id, chat_id: chatId } = await own.sendText('hi')
  await own.fault({ method: 'sendMessage', cut: true })
  await sender.outbox.post({ chatId, text: 'hello', replyTo: message_id })
  await until('it waits for its turn', async () => (await own.calls('editMessageText')).length >= 3)
  const since = Date.now()
  await sender.outboxSender[Symbol.asyncDispose]()
  t.true(Date.now() - since < 900, `${Date.now() - since} ms`)
  await sender.restart()
  await own.waitForMessage(chatId, ({ text }) => text === 'hello', 30_000)
  t.is((await own.calls('sendMessage')).length, 2)
})

test('a pause that Telegram asks of the whole bot holds all chats, also those that it was not asked for', async (t) => {
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startOutbox(own)
  const chats = Array.from({ length: 60 }, (_, user) => 20_000 + user)
  for (const id of chats) await own.sendText('hi', { from: { id } })
  await own.settings({ flood_wait: 5 })
  const began = Date.now()
  for (const chatId of chats) await sender.outbox.post({ chatId, text: 'hello' })
  for (const chatId of chats) {
    await own.waitForMessage(chatId, ({ text }) => text === 'hello', 30_000)
  }
  const refused = (await own.calls('sendMessage', began)).filter(({ status }) => status === 429)
  // Those that were on their way when the second refusal came.
  t.true(refused.length >= 2 && refused.length <= 20, `${refused.length} refusals`)
})

test('the pauses of two chats hold no other one, as long as calls get through in between', async (t) => {
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startOutbox(own)
  const [first, second, other] = [21_001, 21_002, 21_003]
  for (const id of [first, second, other]) await own.sendText('hi', { from: { id } })
  for (const chatId of [first, second]) {
    const pause = refusal(429, 'Too Many Requests: retry after 20', 20)
    await own.fault({ method: 'sendMessage', chat_id: chatId, ...pause })
  }
  const began = performance.now()
  for (const chatId of [first, other, second, other]) {
    const calls = (await own.calls('sendMessage')).length
    await sender.outbox.post({ chatId, text: 'hello' })
    await until('it was sent', async () => (await own.calls('sendMessage')).length > calls)
    await until('its end is recorded', async () => {
      const rows = await sender.depot.database.query(
        'SELECT 1 FROM messages WHERE sent_revision < revision AND attempts = 0',
      )
      return rows.length === 0
    })
  }
  t.true(performance.now() - began < 10_000)
})
