import test from 'ava'
import { saidIn } from '../helpers/chat.ts'
import { until } from '../helpers/until.ts'
import {
  allSent,
  failureIn,
  methodsFor,
  newChat,
  newFile,
  refusal,
  said,
  serveForAll,
  server,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

test('a message that is withdrawn goes from its chat, and can be written again', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'note', chatId, text: 'a note' })
  await allSent(sender)
  await sender.outbox.withdraw('note')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), [])
  await sender.outbox.post({ key: 'note', chatId, text: 'another note' })
  t.deepEqual(await said(chatId, 1), ['another note'])
})

test('all messages of an album go at once', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const paths = await Promise.all(['1.jpg', '2.jpg'].map((name) => newFile(sender, name)))
  const media = paths.map((path) => ({ type: 'photo' as const, file: { path } }))
  await sender.outbox.post({ key: 'album', chatId, content: { type: 'album', media } })
  await allSent(sender)
  await sender.outbox.withdraw('album')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), [])
  t.deepEqual(await methodsFor(chatId), ['sendMediaGroup', 'deleteMessages'])
})

test('what is withdrawn before it was sent is not sent', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.depot.database.transaction(async () => {
    await sender.outbox.post({ key: 'note', chatId, text: 'a note' })
    await sender.outbox.withdraw('note')
  })
  await sender.outbox.post({ chatId, text: 'next' })
  t.deepEqual(await said(chatId, 1), ['next'])
})

test('what is withdrawn while it is on its way goes when it has arrived', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await server.fault({ method: 'sendMessage', chat_id: chatId, delay_ms: 500 })
  await sender.outbox.post({ key: 'note', chatId, text: 'a note' })
  await until('it is on its way', async () => (await methodsFor(chatId)).length === 1)
  await sender.outbox.withdraw('note')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), [])
  t.deepEqual(await methodsFor(chatId), ['sendMessage', 'deleteMessage'])
})

test('what was taken by Telegram unnoticed is found and goes', async (t) => {
  await using sender = await startOutbox()
  const { chat_id: chatId, message_id: replyTo } = await server.sendText('hi', { from: { id: 7950 } })
  await server.fault({ method: 'sendMessage', chat_id: chatId, cut: true, after: true })
  await sender.outbox.post({ key: 'note', chatId, replyTo, text: 'a note' })
  await until('it is on its way', async () => (await methodsFor(chatId)).length === 1)
  await sender.outbox.withdraw('note')
  await allSent(sender, 20_000)
  t.deepEqual(await saidIn(server, chatId), [])
})

test('what Telegram deletes no more ends the withdrawal', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'note', chatId, text: 'a note' })
  await allSent(sender)
  const old = refusal(400, "Bad Request: message can't be deleted for everyone")
  await server.fault({ method: 'deleteMessage', chat_id: chatId, ...old })
  await sender.outbox.withdraw('note')
  t.is(await failureIn(sender), "Bad Request: message can't be deleted for everyone")
})

test('a key of no message is without effect', async (t) => {
  await using sender = await startOutbox()
  await t.notThrowsAsync(sender.outbox.withdraw('nothing'))
})
