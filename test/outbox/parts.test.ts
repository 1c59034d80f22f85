import test from 'ava'
import { saidIn } from '../helpers/chat.ts'
import {
  allSent,
  endsOf,
  messagesIn,
  methodsFor,
  newChat,
  type OutboxFixture,
  refusal,
  said,
  serveForAll,
  server,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

const parts = (...texts: string[]) => ({ type: 'parts' as const, parts: texts.map((html) => ({ html })) })

const show = (sender: OutboxFixture, chatId: number, ...texts: string[]) =>
  sender.outbox.post({ key: 'long', chatId, content: parts(...texts) })

test('the parts of a text arrive in their order, and only the first answers', async (t) => {
  await using sender = await startOutbox()
  const ends = endsOf(sender)
  const { chat_id: chatId, message_id: replyTo } = await server.sendText('why?', { from: { id: 7801 } })
  const keyboard = [[{ text: 'Again', callback_data: 'again' }]]
  await sender.outbox.post({ chatId, replyTo, keyboard, topic: 'why', content: parts('one', 'two', 'three') })
  t.deepEqual(await said(chatId, 3), ['one', 'two', 'three'])
  await allSent(sender)
  const messages = await messagesIn(chatId, 3)
  t.deepEqual(
    messages.map(({ reply_to_message_id }) => reply_to_message_id),
    [replyTo, undefined, undefined],
  )
  t.deepEqual(
    messages.map(({ inline_keyboard }) => inline_keyboard?.length),
    [undefined, undefined, 1],
  )
  t.deepEqual(
    ends[0]?.messageIds,
    messages.map(({ message_id }) => message_id),
  )
})

test('only the part that changes is edited, one more is sent, and one too many is deleted', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await show(sender, chatId, 'one', 'two')
  await allSent(sender)
  await show(sender, chatId, 'one', 'zwei', 'drei')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), ['one', 'zwei', 'drei'])
  await show(sender, chatId, 'one')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), ['one'])
  t.deepEqual(await methodsFor(chatId), [
    'sendMessage',
    'sendMessage',
    'editMessageText',
    'sendMessage',
    'deleteMessages',
  ])
})

test('a part that its user has deleted is sent anew in its place, and so is what follows it', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await show(sender, chatId, 'one', 'two', 'three')
  await allSent(sender, 20_000)
  const gone = refusal(400, 'Bad Request: message to edit not found')
  await server.fault({ method: 'editMessageText', chat_id: chatId, ...gone })
  await show(sender, chatId, 'one', 'zwei', 'three')
  await allSent(sender, 20_000)
  const messages = (await server.chat(chatId)).messages.filter(({ from, deleted }) => from.is_bot && !deleted)
  t.deepEqual(
    messages.map(({ text }) => text),
    // The stand-in still shows the one that it said was gone.
    ['one', 'two', 'zwei', 'three'],
  )
})

test('Telegram’s pause between two parts loses none and repeats none', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await show(sender, chatId, 'one')
  await allSent(sender)
  await server.fault({
    method: 'sendMessage',
    chat_id: chatId,
    ...refusal(429, 'Too Many Requests: retry after 1', 1),
  })
  await show(sender, chatId, 'one', 'two', 'three')
  await allSent(sender, 20_000)
  t.deepEqual(await saidIn(server, chatId), ['one', 'two', 'three'])
})

test('a text in one message can become several, and one again', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'long', chatId, text: 'short' })
  await allSent(sender)
  await show(sender, chatId, 'long', 'longer')
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), ['long', 'longer'])
  await sender.outbox.post({ key: 'long', chatId, text: 'short again' })
  await allSent(sender)
  t.deepEqual(await saidIn(server, chatId), ['short again'])
})
