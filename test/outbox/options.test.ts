import test from 'ava'
import {
  allSent,
  failureIn,
  messagesIn,
  newChat,
  newFile,
  newGroup,
  serveForAll,
  server,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

test('a message can be silent, protected, and show what its first link is', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const preview = { url: 'https://example.org', prefer_small_media: true }
  await sender.outbox.post({ chatId, text: 'look', silent: true, protect: true, preview })
  await sender.outbox.post({ chatId, text: 'plain' })
  const [special, plain] = await messagesIn(chatId, 2)
  t.like(special, { silent: true, protected: true, link_preview_disabled: false })
  t.like(plain, { link_preview_disabled: true })
  t.is(plain?.silent, undefined)
  t.is(plain?.protected, undefined)
})

test('a file stands in its topic, answers a message, and quotes it', async (t) => {
  await using sender = await startOutbox()
  const chat = { id: -newGroup(), type: 'supergroup' as const, title: 'Group', is_forum: true }
  const { message_id } = await server.sendText('the whole question', { chat, message_thread_id: 77 })
  const path = await newFile(sender, 'answer.txt')
  await sender.outbox.post({
    chatId: chat.id,
    threadId: 77,
    replyTo: message_id,
    quote: { text: 'whole' },
    content: { type: 'document', file: { path } },
  })
  const [message] = await messagesIn(chat.id, 1)
  t.like(message, { message_thread_id: 77, reply_to_message_id: message_id, quote: 'whole' })
})

test('parts whose topic is closed between two of them go on in the group', async (t) => {
  await using sender = await startOutbox()
  const chat = { id: -newGroup(), type: 'supergroup' as const, title: 'Group', is_forum: true }
  await server.sendText('hi', { chat, message_thread_id: 78 })
  const place = { key: 'long', chatId: chat.id, threadId: 78 }
  const parts = [{ html: 'one' }, { html: 'two' }]
  await sender.outbox.post({ ...place, content: { type: 'parts', parts: parts.slice(0, 1) } })
  await allSent(sender)
  await server.setTopic(chat.id, 78, 'closed')
  await sender.outbox.post({ ...place, content: { type: 'parts', parts } })
  await allSent(sender)
  const messages = await messagesIn(chat.id, 2)
  t.deepEqual(
    messages.map(({ text, message_thread_id }) => [text, message_thread_id]),
    [
      ['one', 78],
      ['two', undefined],
    ],
  )
})

test('a quote that is not there any more is left out', async (t) => {
  await using sender = await startOutbox()
  const { chat_id: chatId, message_id } = await server.sendText('changed since', { from: { id: 7901 } })
  await sender.outbox.post({ chatId, text: 'answer', replyTo: message_id, quote: { html: 'as it was' } })
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.reply_to_message_id, message_id)
  t.is(message?.quote, undefined)
})

test('buttons of all sorts stand below a text', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const keyboard = [
    [
      { text: 'Again', callback_data: 'again' },
      { text: 'Site', url: 'https://example.org' },
    ],
    [
      { text: 'Copy', copy_text: { text: 'words' } },
      { text: 'App', web_app: { url: 'https://example.org/app' } },
    ],
  ]
  await sender.outbox.post({ chatId, text: 'choose', keyboard })
  const [message] = await messagesIn(chatId, 1)
  t.deepEqual(message?.inline_keyboard, keyboard)
})

test('a text with its marks needs no HTML', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const entities = [{ type: 'code', offset: 2, length: 3 }]
  await sender.outbox.post({ chatId, content: { type: 'text', text: 'a <b>', entities } })
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.text, 'a <b>')
  t.deepEqual(message?.entities, entities)
})

test('a message whose content cannot be read waits for the release that wrote it, and holds back no other', async (t) => {
  await using sender = await startOutbox()
  const { database } = sender.depot
  const chatId = await newChat()
  const content = { type: 'text', text: 'written by a newer release' } as const
  const id = await database.transaction(async () => {
    const id = await sender.outbox.post({ chatId, content })
    await database.query(
      'UPDATE messages SET content = $2 WHERE id = $1',
      id,
      JSON.stringify({ v: 99, ...content }),
    )
    await sender.outbox.post({ chatId, text: 'next' })
    return id
  })
  await messagesIn(chatId, 1)
  t.is(await failureIn(sender), 'written by another release')
  await database.query(
    'UPDATE messages SET content = $2 WHERE id = $1',
    id,
    JSON.stringify({ v: 1, ...content }),
  )
  await sender.restart()
  await allSent(sender)
  const texts = (await messagesIn(chatId, 2)).map(({ text }) => text)
  t.deepEqual(texts, ['next', 'written by a newer release'])
})

test('a release that knows only texts sends nothing of another sort, and the next one does', async (t) => {
  await using sender = await startOutbox()
  const { database } = sender.depot
  const chatId = await newChat()
  const path = await newFile(sender, 'film.mp4')
  const id = await database.transaction(async () => {
    const id = await sender.outbox.post({ chatId, content: { type: 'video', file: { path } } })
    // Such a release makes a text of the row, which Telegram refuses.
    const [row] = await database.query<{ text: string }>('SELECT text FROM messages WHERE id = $1', id)
    t.is(row?.text, '')
    const sql = `UPDATE messages SET failure = 'Bad Request: message text is empty' WHERE id = $1`
    await database.query(sql, id)
    return id
  })
  await sender.restart()
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.file?.kind, 'video')
  t.truthy(id)
})

test('a text that a release which knows only texts wrote into a row goes before what it held', async (t) => {
  await using sender = await startOutbox()
  const { database } = sender.depot
  const chatId = await newChat()
  await database.transaction(async () => {
    const id = await sender.outbox.post({ chatId, content: { type: 'text', text: 'typed' } })
    await database.query('UPDATE messages SET text = $2, revision = revision + 1 WHERE id = $1', id, 'plain')
  })
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.text, 'plain')
})
