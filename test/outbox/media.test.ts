import { rm } from 'node:fs/promises'
import test from 'ava'
import type { Media } from '../../app/outbox/index.ts'
import { until } from '../helpers/until.ts'
import {
  allSent,
  endsOf,
  failureIn,
  messagesIn,
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

const sorts: [name: string, media: object, said: object | undefined][] = [
  ['a picture.jpg', { type: 'photo', spoiler: true }, { has_spoiler: true }],
  [
    'a film.mp4',
    { type: 'video', width: 640, height: 360, duration: 7, supportsStreaming: true },
    { width: 640, height: 360, duration: 7, supports_streaming: true },
  ],
  [
    'a song.mp3',
    { type: 'audio', duration: 200, performer: 'Ann', title: 'Song' },
    { duration: 200, performer: 'Ann', title: 'Song' },
  ],
  ['50% of a #text.txt', { type: 'document' }, undefined],
  ['a loop.mp4', { type: 'animation', width: 320, height: 180 }, { width: 320, height: 180 }],
  ['words.ogg', { type: 'voice', duration: 3 }, { duration: 3 }],
]

for (const [name, media, properties] of sorts) {
  test(`${name} goes from its path, with what is said of it`, async (t) => {
    await using sender = await startOutbox()
    const chatId = await newChat()
    const path = await newFile(sender, name)
    const content = { ...media, file: { path }, caption: { html: '<b>Here</b>' } } as Media
    await sender.outbox.post({ chatId, content })
    const [message] = await messagesIn(chatId, 1)
    t.is(message?.caption, 'Here')
    t.is(message?.file?.kind, content.type)
    t.is(message?.file?.file_size, `bytes of ${name}`.length)
    t.deepEqual(message?.file?.said, properties)
    if (content.type !== 'photo') t.is(message?.file?.file_name, name)
  })
}

test('a caption with its marks and a thumbnail by path are sent', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const [path, thumbnail] = [await newFile(sender, 'film.mp4'), await newFile(sender, 'small.jpg')]
  const caption = { text: 'a < b', entities: [{ type: 'bold', offset: 0, length: 1 }] }
  await sender.outbox.post({ chatId, content: { type: 'video', file: { path }, thumbnail, caption } })
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.caption, 'a < b')
  t.deepEqual(message?.entities, caption.entities)
  t.like(message?.file?.said, { thumbnail: `file://${thumbnail}` })
})

test('who listens is told by which ids a file can be sent again, and that sends no bytes', async (t) => {
  await using sender = await startOutbox()
  const ends = endsOf(sender)
  const chatId = await newChat()
  const path = await newFile(sender, 'film.mp4')
  await sender.outbox.post({ chatId, topic: 'film', content: { type: 'video', file: { path } } })
  const [first] = await messagesIn(chatId, 1)
  const [end] = await until('it is told', () => ends.length === 1 && ends)
  t.like(end, { topic: 'film', delivery: 'finished', messageIds: [first?.message_id] })
  const [file] = end?.files ?? []
  t.is(file?.fileUniqueId, first?.file?.file_unique_id)
  await rm(path)
  await sender.outbox.post({ chatId, content: { type: 'video', file: { fileId: String(file?.fileId) } } })
  const [, second] = await messagesIn(chatId, 2)
  t.is(second?.file?.file_unique_id, first?.file?.file_unique_id)
})

test('a new caption is an edit that sends no file again; another file takes the place of the first', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const [one, two] = [await newFile(sender, 'one.jpg'), await newFile(sender, 'two.jpg')]
  const show = (path: string, html: string) =>
    sender.outbox.post({
      key: 'picture',
      chatId,
      content: { type: 'photo', file: { path }, caption: { html } },
    })
  await show(one, 'first')
  await allSent(sender)
  await show(one, 'second')
  await allSent(sender)
  await show(two, 'second')
  await allSent(sender)
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.caption, 'second')
  t.is(message?.file?.file_size, 'bytes of two.jpg'.length)
  t.deepEqual(await methodsFor(chatId), ['sendPhoto', 'editMessageCaption', 'editMessageMedia'])
})

test('words become a file: the words go, and the file is sent', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'film', chatId, text: 'a moment …' })
  await allSent(sender)
  const path = await newFile(sender, 'film.mp4')
  await sender.outbox.post({ key: 'film', chatId, content: { type: 'video', file: { path } } })
  await allSent(sender)
  const [message] = await messagesIn(chatId, 1)
  t.is(message?.file?.kind, 'video')
})

test('a picture that its user has deleted is sent anew when its caption changes', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const path = await newFile(sender, 'one.jpg')
  const show = (html: string) =>
    sender.outbox.post({
      key: 'picture',
      chatId,
      content: { type: 'photo', file: { path }, caption: { html } },
    })
  await show('first')
  await allSent(sender)
  await server.fault({
    method: 'editMessageCaption',
    chat_id: chatId,
    ...refusal(400, 'Bad Request: message to edit not found'),
  })
  await show('second')
  await allSent(sender)
  t.deepEqual(await methodsFor(chatId), ['sendPhoto', 'editMessageCaption', 'sendPhoto'])
})

test('a file that has vanished ends its message with a reason without its path, and words can follow', async (t) => {
  await using sender = await startOutbox()
  const ends = endsOf(sender)
  const chatId = await newChat()
  sender.outboxSender.whenSent(async ({ delivery }) => {
    if (delivery === 'failed') await sender.outbox.post({ key: 'film', chatId, text: 'It is gone.' })
  })
  const content = { type: 'video', file: { path: '/nowhere/film.mp4' } } as const
  await sender.outbox.post({ key: 'film', chatId, topic: 'film', content })
  t.deepEqual(await said(chatId, 1), ['It is gone.'])
  t.like(ends, [{ topic: 'film', delivery: 'failed', reason: 'Bad Request: realpath failed for the file' }])
})

for (const [method, type, code, description] of [
  ['sendPhoto', 'photo', 400, 'Bad Request: PHOTO_INVALID_DIMENSIONS'],
  ['sendVideo', 'video', 400, 'Bad Request: MEDIA_EMPTY'],
  ['sendVideo', 'video', 400, 'Bad Request: wrong file identifier/HTTP URL specified'],
  ['sendDocument', 'document', 413, 'Request Entity Too Large'],
  ['sendVoice', 'voice', 400, 'Bad Request: VOICE_MESSAGES_FORBIDDEN'],
  ['sendPhoto', 'photo', 400, 'Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN'],
  ['sendVideo', 'video', 400, 'Bad Request: not enough rights to send videos to the chat'],
] as const) {
  test(`"${description}" ends a file's message, and closes no chat`, async (t) => {
    await using sender = await startOutbox()
    const chatId = await newChat()
    const path = await newFile(sender, 'file')
    await server.fault({ method, chat_id: chatId, ...refusal(code, description) })
    await sender.outbox.post({ chatId, content: { type, file: { path } } })
    t.is(await failureIn(sender), description)
    t.false(await sender.outboxSender.chats.isClosed(chatId))
    t.deepEqual(await methodsFor(chatId), [method])
  })
}

test('an empty file ends its message', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const content = { type: 'document', file: { path: '/dev/null' } } as const
  await sender.outbox.post({ chatId, content })
  t.regex(await failureIn(sender), /^Bad Request: /)
})

test('nothing in a chat waits for a file on its way to Telegram', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const path = await newFile(sender, 'film.mp4')
  await server.fault({ method: 'sendVideo', chat_id: chatId, delay_ms: 3000 })
  await sender.outbox.post({ chatId, content: { type: 'video', file: { path } } })
  await until('it is on its way', async () => (await methodsFor(chatId)).length === 1)
  await sender.outbox.post({ chatId, text: 'meanwhile' })
  t.deepEqual(await said(chatId, 1, 2500), ['meanwhile'])
  await messagesIn(chatId, 2)
})

test('two files for one chat go one after the other', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const path = await newFile(sender, 'film.mp4')
  await server.fault({ method: 'sendVideo', chat_id: chatId, delay_ms: 1500 })
  await sender.depot.database.transaction(async () => {
    for (const html of ['one', 'two']) {
      await sender.outbox.post({ chatId, content: { type: 'video', file: { path }, caption: { html } } })
    }
  })
  const messages = await messagesIn(chatId, 2)
  t.deepEqual(
    messages.map(({ caption }) => caption),
    ['one', 'two'],
  )
})

test('what Telegram would never take is refused where it is written', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const content = { type: 'video', file: { path: 'relative.mp4' } } as const
  await t.throwsAsync(sender.outbox.post({ chatId, content }), { message: /must be an absolute path/ })
})
