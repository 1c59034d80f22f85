import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { callApi } from './call-api.ts'
import { type StandIn, startBotApi } from './client.ts'

let server: StandIn

test.before(async () => {
  server = await startBotApi()
  await server.sendText('hello')
})

test.after.always(() => server?.stop())

async function fileUri(name: string): Promise<string> {
  const path = join(server.dir, '..', name)
  await writeFile(path, name)
  return pathToFileURL(path).href
}

const album = (media: object[], more: object = {}) =>
  callApi(server, 'sendMediaGroup', { chat_id: 1001, media, ...more })

test('an album is several messages with one group id, each with its caption', async (t) => {
  const photo = { type: 'photo', media: await fileUri('a.jpg'), caption: '<b>A</b>', parse_mode: 'HTML' }
  const video = { type: 'video', media: await fileUri('b.mp4'), width: 640, height: 360, duration: 7 }
  const { result } = await album([photo, video])
  t.like(result[0], { caption: 'A', caption_entities: [{ type: 'bold', offset: 0, length: 1 }] })
  t.like(result[1], { video: { width: 640, height: 360, duration: 7 } })
  t.truthy(result[0].media_group_id)
  t.is(result[0].media_group_id, result[1].media_group_id)
  t.is(result[1].message_id, result[0].message_id + 1)
})

test('an album of unlike files, an empty one, and one of eleven are refused', async (t) => {
  const [photo, document] = [await fileUri('c.jpg'), await fileUri('d.txt')]
  const mixed = await album([
    { type: 'photo', media: photo },
    { type: 'document', media: document },
  ])
  t.is(mixed.description, "Bad Request: document can't be mixed with other media types")
  t.is((await album([])).description, 'Bad Request: there are no messages to send')
  const eleven = await album(Array(11).fill({ type: 'photo', media: photo }))
  t.is(eleven.description, 'Bad Request: too many messages to send as an album')
})

test('a file that is missing is named by its place in the album, and nothing of it is sent', async (t) => {
  const before = (await server.sendText('hi', { from: { id: 1002 } })).message_id
  const items = [await fileUri('e.jpg'), 'file:///nowhere'].map((media) => ({ type: 'photo', media }))
  t.is(
    (await album(items, { chat_id: 1002 })).description,
    'Bad Request: failed to send message #2 with the error message "realpath failed for /nowhere"',
  )
  const { messages } = await server.chat(1002)
  t.deepEqual(
    messages.map(({ message_id }) => message_id),
    [before],
  )
})

test('another file can take the place of one, but not of a voice message nor of another sort in an album', async (t) => {
  const { result } = await callApi(server, 'sendPhoto', { chat_id: 1001, photo: await fileUri('f.jpg') })
  const edit = (message_id: number, type: string, media: string) =>
    callApi(server, 'editMessageMedia', { chat_id: 1001, message_id, media: { type, media, caption: 'new' } })
  const edited = await edit(result.message_id, 'video', await fileUri('g.mp4'))
  t.like(edited.result, { caption: 'new', video: { file_name: 'g.mp4' }, photo: undefined })
  const voice = await callApi(server, 'sendVoice', { chat_id: 1001, voice: await fileUri('h.ogg') })
  const refused = await edit(voice.result.message_id, 'audio', await fileUri('i.mp3'))
  t.is(refused.description, "Bad Request: message media can't be edited")
  const pictures = await album(Array(2).fill({ type: 'photo', media: await fileUri('j.jpg') }))
  const other = await edit(pictures.result[0].message_id, 'document', await fileUri('k.txt'))
  t.is(other.description, "Bad Request: message media can't be edited")
  const text = await callApi(server, 'sendMessage', { chat_id: 1001, text: 'words' })
  const none = await edit(text.result.message_id, 'photo', await fileUri('l.jpg'))
  t.is(none.description, 'Bad Request: there is no media in the message to edit')
})

test('several messages are deleted at once, and those that are gone are passed over', async (t) => {
  const { result } = await callApi(server, 'sendMessage', { chat_id: 1001, text: 'words' })
  const message_ids = [result.message_id, 999_999]
  t.true((await callApi(server, 'deleteMessages', { chat_id: 1001, message_ids })).result)
  const { messages } = await server.chat(1001)
  t.true(messages.find(({ message_id }) => message_id === result.message_id)?.deleted)
})

test('a quote must stand in the message that it is of', async (t) => {
  const { message_id } = await server.sendText('the whole question')
  const ask = (quote: string) =>
    callApi(server, 'sendMessage', { chat_id: 1001, text: 'x', reply_parameters: { message_id, quote } })
  t.is((await ask('whole')).result.quote.text, 'whole')
  t.is((await ask('half')).description, 'Bad Request: QUOTE_TEXT_INVALID')
})

test('a server of its age knows no drafts; a newer one shows them in private chats', async (t) => {
  await using own = await startBotApi()
  await own.sendText('hello')
  const draft = (text: string) => callApi(own, 'sendMessageDraft', { chat_id: 1001, draft_id: 7, text })
  t.is((await draft('Thin')).status, 404)
  await own.settings({ drafts: true })
  t.true((await draft('Thinking')).result)
  const { drafts, messages } = await own.chat(1001)
  t.like(drafts, [{ draft_id: 7, text: 'Thinking' }])
  t.is(messages.length, 1)
})

test('a file_id of another bot is none', async (t) => {
  const { result } = await callApi(server, 'sendDocument', {
    chat_id: 1001,
    document: await fileUri('m.txt'),
  })
  const token = `${server.botId + 1}:${server.token.split(':')[1]}`
  await callApi(server, 'getMe', {}, token)
  await server.sendText('hi', { bot_id: server.botId + 1 })
  const document = result.document.file_id
  const answer = await callApi(server, 'sendDocument', { chat_id: 1001, document }, token)
  t.is(answer.description, 'Bad Request: wrong file identifier/HTTP URL specified')
})
