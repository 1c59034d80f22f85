import test from 'ava'
import type { AlbumMedia, Content } from '../../app/outbox/index.ts'
import {
  allSent,
  endsOf,
  failureIn,
  messagesIn,
  methodsFor,
  newChat,
  newFile,
  newGroup,
  type OutboxFixture,
  refusal,
  said,
  serveForAll,
  server,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

/** Pictures with these captions. */
async function album(sender: OutboxFixture, ...captions: string[]): Promise<Content> {
  const media: AlbumMedia[] = []
  for (const [at, html] of captions.entries()) {
    const path = await newFile(sender, `${at}.jpg`)
    media.push({ type: 'photo', file: { path }, caption: { html } })
  }
  return { type: 'album', media }
}

test('an album goes as one, and who listens is told of all its messages and files', async (t) => {
  await using sender = await startOutbox()
  const ends = endsOf(sender)
  const chatId = await newChat()
  await sender.outbox.post({ chatId, topic: 'album', content: await album(sender, 'one', 'two', 'three') })
  const messages = await messagesIn(chatId, 3)
  await allSent(sender)
  t.deepEqual(
    messages.map(({ caption }) => caption),
    ['one', 'two', 'three'],
  )
  t.is(new Set(messages.map(({ media_group_id }) => media_group_id)).size, 1)
  t.deepEqual(
    ends[0]?.messageIds,
    messages.map(({ message_id }) => message_id),
  )
  t.deepEqual(
    ends[0]?.files?.map(({ type, fileUniqueId }) => [type, fileUniqueId]),
    messages.map(({ file }) => ['photo', file?.file_unique_id]),
  )
})

test('one new caption in an album is one edit', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'one', 'two') })
  await allSent(sender)
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'one', 'zwei') })
  await allSent(sender)
  const messages = await messagesIn(chatId, 2)
  t.is(messages[1]?.caption, 'zwei')
  t.deepEqual(await methodsFor(chatId), ['sendMediaGroup', 'editMessageCaption'])
})

test('an album that becomes longer is sent anew as one', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'one', 'two') })
  await allSent(sender)
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'one', 'two', 'three') })
  const messages = await messagesIn(chatId, 3)
  t.is(new Set(messages.map(({ media_group_id }) => media_group_id)).size, 1)
})

test('what its user has deleted of an album does not come back with an edit of the rest', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'one', 'two') })
  await allSent(sender)
  await server.fault({
    method: 'editMessageCaption',
    chat_id: chatId,
    ...refusal(400, 'Bad Request: message to edit not found'),
  })
  await sender.outbox.post({ key: 'album', chatId, content: await album(sender, 'eins', 'zwei') })
  await allSent(sender)
  t.deepEqual(await methodsFor(chatId), ['sendMediaGroup', 'editMessageCaption', 'editMessageCaption'])
})

test('a file of an album that is missing ends it, and nothing of it is sent', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  const content = (await album(sender, 'one', 'two')) as Extract<Content, { type: 'album' }>
  content.media[1] = { type: 'photo', file: { path: '/nowhere/two.jpg' } }
  await sender.outbox.post({ chatId, content })
  t.is(
    await failureIn(sender),
    'Bad Request: failed to send message #2 with the error message "realpath failed for the file"',
  )
  t.deepEqual(await messagesIn(chatId, 0).catch(() => []), [])
})

test('an album counts as many messages as it has: what follows waits the longer', async (t) => {
  await using sender = await startOutbox()
  const group = -newGroup()
  await server.sendText('hi', { chat: { id: group, type: 'supergroup', title: 'Group' } })
  const began = Date.now()
  await sender.outbox.post({ chatId: group, content: await album(sender, '1', '2', '3', '4', '5', '6') })
  await sender.outbox.post({ chatId: group, text: 'after it' })
  await messagesIn(group, 7, 20_000)
  // Three at once, then one a second.
  t.true(Date.now() - began > 3000, `${Date.now() - began} ms`)
  t.is((await said(group, 7)).at(-1), 'after it')
})

for (const [title, types] of [
  ['pictures and documents', ['photo', 'document']],
  ['audio and films', ['audio', 'video']],
  ['one picture', ['photo']],
  ['eleven films', Array(11).fill('video')],
] as [string, AlbumMedia['type'][]][]) {
  test(`an album of ${title} is refused where it is written`, async (t) => {
    await using sender = await startOutbox()
    const media = types.map((type) => ({ type, file: { fileId: 'x' } }))
    await t.throwsAsync(sender.outbox.post({ chatId: 1, content: { type: 'album', media } }), {
      message: /cannot show/,
    })
  })
}
