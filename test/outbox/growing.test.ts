import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { callApi } from '../bot-api/call-api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { saidIn } from '../helpers/chat.ts'
import { until } from '../helpers/until.ts'
import {
  allSent,
  callsFor,
  methodsFor,
  newChat,
  newGroup,
  type OutboxFixture,
  refusal,
  serveForAll,
  server,
  shown,
  startOutbox,
} from './start-outbox.ts'

serveForAll({ drafts: true })

/** Lets a text grow word by word until it has so many, as often as there is more. */
async function grow({ outbox }: OutboxFixture, chatId: number, words: number, key = 'answer') {
  for (let word = 1; word <= words; word++) {
    await outbox.grow({
      key,
      chatId,
      text: Array.from({ length: word }, (_, at) => `word${at + 1}`).join(' '),
    })
    await delay(100)
  }
}

test('in a private chat a text grows as a draft, and its last form is the only message', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await grow(sender, chatId, 40)
  t.deepEqual(await saidIn(server, chatId), [])
  await sender.outbox.post({ key: 'answer', chatId, text: 'the whole answer' })
  await shown(t, chatId, 'the whole answer')
  await allSent(sender)
  const { drafts } = await server.chat(chatId)
  t.true(drafts.length >= 2 && drafts.length <= 5, `${drafts.length} drafts`)
  t.is(new Set(drafts.map(({ draft_id }) => draft_id)).size, 1)
  t.is((await methodsFor(chatId)).filter((method) => method === 'sendMessage').length, 1)
})

test('in a group a text grows as a message that is edited, and ends with one last edit', async (t) => {
  await using sender = await startOutbox()
  const group = -newGroup()
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  await grow(sender, group, 35)
  await sender.outbox.post({ key: 'answer', chatId: group, text: 'the whole answer' })
  await shown(t, group, 'the whole answer')
  await allSent(sender)
  t.deepEqual(await saidIn(server, group), ['the whole answer'])
  const methods = await methodsFor(group)
  t.is(methods[0], 'sendMessage')
  t.true(methods.slice(1).every((method) => method === 'editMessageText'))
  t.true(methods.length <= 4, methods.join())
})

test('a server that knows no drafts is asked once', async (t) => {
  await using own = await startBotApi()
  await callApi(own, 'getMe')
  await using sender = await startOutbox(own)
  for (const id of [1, 2]) {
    await own.sendText('hi', { from: { id } })
    await sender.outbox.grow({ key: `answer ${id}`, chatId: id, text: 'so far' })
    await own.waitForMessage(id, ({ text }) => text === 'so far')
    await allSent(sender)
    await sender.outbox.post({ key: `answer ${id}`, chatId: id, text: 'all of it' })
    await own.waitForMessage(id, ({ text }) => text === 'all of it')
    t.deepEqual(await saidIn(own, id), ['all of it'])
  }
  t.is((await own.calls('sendMessageDraft')).length, 1)
})

test('a growing text that Telegram cannot read is passed over, and the last one arrives', async (t) => {
  await using sender = await startOutbox()
  const group = -newGroup()
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  await sender.outbox.grow({ key: 'answer', chatId: group, html: '<b>open' })
  await until('it is refused', async () => (await callsFor(group)).length === 1)
  await allSent(sender)
  await sender.outbox.post({ key: 'answer', chatId: group, text: '<b>closed</b>' })
  await shown(t, group, 'closed')
  t.deepEqual(await methodsFor(group), ['sendMessage', 'sendMessage'])
})

test('a text that comes after the last one is without effect', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'answer', chatId, text: 'the whole answer' })
  await sender.outbox.grow({ key: 'answer', chatId, text: 'so far' })
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), ['the whole answer'])
  t.deepEqual((await server.chat(chatId)).drafts, [])
})

test('Telegram’s pause while a text grows holds its last form no longer than it must', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const pause = refusal(429, 'Too Many Requests: retry after 2', 2)
  await server.fault({ method: 'sendMessageDraft', chat_id: chatId, ...pause })
  await sender.outbox.grow({ key: 'answer', chatId, text: 'so far' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await sender.outbox.post({ key: 'answer', chatId, text: 'the whole answer' })
  await shown(t, chatId, 'the whole answer')
  const [, last] = await callsFor(chatId)
  t.is(last?.text, 'the whole answer')
  t.true(Number(last?.at) >= 2000 && Number(last?.at) < 5000, `${last?.at} ms`)
})

test('nothing in a chat waits for a text that grows', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.grow({ key: 'answer', chatId, text: 'so far' })
  await sender.outbox.post({ chatId, text: 'a link' })
  await shown(t, chatId, 'a link')
  await sender.outbox.post({ key: 'answer', chatId, text: 'the whole answer' })
  await shown(t, chatId, 'the whole answer')
})
