import test from 'ava'
import type { Update } from 'telegraf/types'
import { until } from '../helpers/until.ts'
import { callsFor, newChat, refusal, said, serveForAll, server, shown, startOutbox } from './start-outbox.ts'

serveForAll()

const bad = refusal(400, 'Bad Request: something is wrong with it')

test('a refusal of an older text does not end a newer one', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await server.fault({ method: 'sendMessage', chat_id: chatId, delay_ms: 500, ...bad })
  const id = await sender.outbox.post({ chatId, text: 'received' })
  await until('it is on its way', async () => (await callsFor(chatId)).length === 1)
  await sender.outbox.revise(id, { text: 'the link' })
  t.deepEqual(await said(chatId, 1), ['the link'])
})

test('what Telegram has refused for certain is not looked for afterwards', async (t) => {
  await using sender = await startOutbox()
  // With a question: after its id the message would be looked for.
  const { chat_id: chatId, message_id: replyTo } = await server.sendText('hi', { from: { id: 7700 } })
  await server.fault({ method: 'sendMessage', chat_id: chatId, ...bad })
  const id = await sender.outbox.post({ chatId, replyTo, text: 'received' })
  await until('it is refused', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE failure IS NOT NULL')
    return rows.length === 1
  })
  await sender.outbox.revise(id, { text: 'the link' })
  await shown(t, chatId, 'the link')
  t.deepEqual(
    (await callsFor(chatId)).map(({ method }) => method),
    ['sendMessage', 'sendMessage'],
  )
})

test('a message with a key is one message, however often it is written', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const write = (text: string) => sender.outbox.post({ key: 'file:1', chatId, text })
  t.is(await write('received'), await write('the link'))
  await shown(t, chatId, 'the link')
  await write('another link')
  await shown(t, chatId, 'another link')
  t.is((await said(chatId, 1)).length, 1)
})

test('a message that only counts is edited at its pace, and holds no other one back', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const count = (n: number) =>
    sender.outbox.post({ key: 'count', chatId, text: `${n} files wait`, every: 3000 })
  await count(0)
  await shown(t, chatId, '0 files wait')
  const { database } = sender.depot
  await until('it is recorded', async () => {
    const rows = await database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  for (let n = 1; n <= 5; n++) await count(n)
  const since = Date.now()
  await sender.outbox.post({ chatId, text: 'a link' })
  await shown(t, chatId, 'a link')
  t.true(Date.now() - since < 2000)
  await shown(t, chatId, '5 files wait')
  const edits = (await callsFor(chatId)).filter(({ method }) => method === 'editMessageText')
  t.is(edits.length, 1)
})

for (const reason of [
  'have no write access to the chat',
  'not enough rights to send text messages to the chat',
  'CHAT_ADMIN_REQUIRED',
  'CHAT_SEND_PLAIN_FORBIDDEN',
  'USER_BANNED_IN_CHANNEL',
  'USER_RESTRICTED',
]) {
  test(`what a chat refuses with "${reason}" is said when someone writes there again`, async (t) => {
    await using sender = await startOutbox()
    const chatId = await newChat()
    await server.fault({ method: 'sendMessage', chat_id: chatId, ...refusal(400, `Bad Request: ${reason}`) })
    await sender.outbox.post({ chatId, key: 'file:1', text: 'the link' })
    await until('it is refused', async () => {
      const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE failure IS NOT NULL')
      return rows.length === 1
    })
    const chat = { id: chatId, type: 'private' as const, first_name: 'Ann' }
    const message = { message_id: 99, date: 1, chat, text: 'hello?' }
    await sender.outboxSender.chats.heard({ update_id: 1, message } as Update)
    await shown(t, chatId, 'the link')
  })
}
