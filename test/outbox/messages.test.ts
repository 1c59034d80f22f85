import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { escapeHtml } from '../../app/core/html.ts'
import { callApi } from '../bot-api/call-api.ts'
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

test('messages of one chat arrive in their order', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  // A second each, after a burst of three.
  const texts = Array.from({ length: 8 }, (_, i) => `message ${i}`)
  for (const text of texts) await sender.outbox.post({ chatId, text })
  t.deepEqual(await said(chatId, 8, 20_000), texts)
})

test('a message is sent after the transaction that wrote it, and not at all when that fails', async (t) => {
  await using sender = await startOutbox()
  const { database } = sender.depot
  const chatId = await newChat()
  await t.throwsAsync(
    database.transaction(async () => {
      await sender.outbox.post({ chatId, text: 'undone' })
      throw new Error('no')
    }),
  )
  await database.transaction(async () => {
    await sender.outbox.post({ chatId, text: 'done' })
    await delay(100)
    t.deepEqual(await saidIn(server, chatId), [])
  })
  t.deepEqual(await said(chatId, 1), ['done'])
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
    await using sender = await startOutbox()
    const chatId = await newChat()
    await server.fault({ method: 'sendMessage', chat_id: chatId, ...fault })
    await sender.outbox.post({ chatId, text: 'hello' })
    t.deepEqual(await said(chatId, 1), ['hello'])
    const sent = (await callsFor(chatId)).filter(({ method }) => method === 'sendMessage')
    t.is(sent.length, 2, 'the next attempt is enough')
  })
}

test('an edit whose answer is lost is made again, and "not modified" is success', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const id = await sender.outbox.post({ chatId, text: 'received' })
  await said(chatId, 1)
  await server.fault({ method: 'editMessageText', chat_id: chatId, cut: true, after: true })
  await sender.outbox.revise(id, { text: 'the link' })
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
  await using sender = await startOutbox()
  const chatId = await newChat()
  const id = await sender.outbox.post({ chatId, text: 'received' })
  const { message_id } = await server.waitForMessage(chatId, ({ text }) => text === 'received')
  await callApi(server, 'deleteMessage', { chat_id: chatId, message_id })
  await until('it is recorded', async () => {
    const rows = await sender.depot.database.query('SELECT 1 FROM messages WHERE message_id IS NOT NULL')
    return rows.length === 1
  })
  await sender.outbox.revise(id, { text: 'the link' })
  t.not((await server.waitForMessage(chatId, ({ text }) => text === 'the link')).message_id, message_id)
})

test('a user who has blocked the bot ends a message, and no other one', async (t) => {
  await using sender = await startOutbox()
  const [chatId, other] = [await newChat(), await newChat()]
  await server.block(chatId)
  await sender.outbox.post({ chatId, text: 'lost' })
  const [row] = await until('the failure', async () => {
    const rows = await sender.depot.database.query<{ failure: string }>(
      'SELECT failure FROM messages WHERE failure IS NOT NULL',
    )
    return rows.length === 1 && rows
  })
  t.regex(row?.failure ?? '', /Forbidden: bot was blocked by the user/)
  await server.block(chatId, false)
  await sender.outbox.post({ chatId, text: 'again' })
  await sender.outbox.post({ chatId: other, text: 'other' })
  t.deepEqual(await said(chatId, 1), ['again'])
  t.deepEqual(await said(other, 1), ['other'])
})

test('of several changes the chat ends with the last', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const id = await sender.outbox.post({ chatId, text: 'received' })
  for (let i = 0; i < 10; i++) await sender.outbox.revise(id, { text: `change ${i}` })
  await shown(t, chatId, 'change 9')
  t.is((await saidIn(server, chatId)).length, 1)
})

test('what was not sent before the end is sent after the next start', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await server.fault({ method: 'sendMessage', chat_id: chatId, ...refusal(500, 'Internal Server Error') })
  await sender.outbox.post({ chatId, text: 'hello' })
  await until('the refusal', async () => (await callsFor(chatId)).length === 1)
  await sender.restart()
  t.deepEqual(await said(chatId, 1), ['hello'])
})

test('a message that answers one which is gone is sent as well', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ chatId, text: 'hello', replyTo: 999_999 })
  t.deepEqual(await said(chatId, 1), ['hello'])
})

test('a name cannot become markup', (t) => {
  t.is(escapeHtml('<b>&amp;</b>'), '&lt;b&gt;&amp;amp;&lt;/b&gt;')
})

for (const [title, isGroup, replyTo] of [
  ['a private chat', false, 0],
  ['a group', true, 0],
  ['a group, as an answer to an old message,', true, 1],
] as const) {
  // Alone, since all private chats of a bot share one sequence of ids.
  test.serial(
    `a message in ${title} that Telegram took unnoticed is found behind a hundred of others`,
    async (t) => {
      await using sender = await startOutbox()
      const from = { id: await newChat() }
      const chat = { id: -newGroup(), type: 'supergroup' as const, title: 'Friends' }
      const chatId = isGroup ? chat.id : from.id
      const others = async (count: number) => {
        for (let other = 0; other < count; other++) {
          const sent = await server.sendText(`/${other}`, { from, ...(isGroup && { chat }) })
          sender.outboxSender.heard(chatId, sent.message_id)
        }
      }
      await others(40)
      await server.fault({ method: 'sendMessage', chat_id: chatId, delay_ms: 3000, cut: true, after: true })
      await sender.outbox.post({ chatId, text: 'once', ...(replyTo && { replyTo }) })
      await until('it is marked', async () => {
        const sql = 'SELECT 1 FROM messages WHERE sending_after > 0'
        return (await sender.depot.database.query(sql)).length > 0
      })
      await others(60)
      await until(
        'it is recorded',
        async () => {
          const sql = 'SELECT 1 FROM messages WHERE sent_revision = revision'
          return (await sender.depot.database.query(sql)).length > 0
        },
        20_000,
      )
      t.deepEqual(await saidIn(server, chatId), ['once'])
    },
  )
}
