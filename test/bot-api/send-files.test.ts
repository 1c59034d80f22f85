import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { callApi, receiveFileId } from './call-api.ts'
import { startBotApi } from './client.ts'

test('a local file goes out by its URI and comes back with the same bytes', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  const path = join(server.dir, '..', 'Отчёт 100% "x".txt')
  await writeFile(path, 'bytes')
  const document = pathToFileURL(path).href
  const { result } = await callApi(server, 'sendDocument', { chat_id: 1001, document, caption: 'Here' })
  t.like(result, { caption: 'Here', document: { file_name: 'Отчёт 100% "x".txt', file_size: 5 } })
  const fetched = await callApi(server, 'getFile', { file_id: result.document.file_id })
  t.is(await readFile(fetched.result.file_path, 'utf8'), 'bytes')
})

const refused: [document: string, description: RegExp][] = [
  ['file:/etc/hostname', /^Bad Request: invalid file HTTP URL specified: Unsupported URL protocol$/],
  ['file://etc/hostname', /^Bad Request: invalid file HTTP URL specified: Unsupported URL protocol$/],
  ['file:///nowhere/at/all', /^Bad Request: realpath failed for \/nowhere\/at\/all$/],
  ['/etc/hostname', /^Bad Request: wrong remote file identifier specified: Wrong character in the string$/],
  ['BQACnonsense', /^Bad Request: invalid file_id$/],
  ['', /^Bad Request: there is no document in the request$/],
]

test('relative URIs, missing files and wrong file_ids are refused', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  for (const [document, description] of refused) {
    const answer = await callApi(server, 'sendDocument', { chat_id: 1001, document })
    t.is(answer.status, 400)
    t.regex(answer.description ?? '', description, document)
  }
})

test('an empty file and the session of the bot itself are refused', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  const path = join(server.dir, '..', 'empty')
  await writeFile(path, '')
  const send = (document: string) => callApi(server, 'sendDocument', { chat_id: 1001, document })
  t.is((await send(`file://${path}`)).description, 'Bad Request: file must be non-empty')
  const session = await send(`file://${server.dir}/${server.token}/td.binlog`)
  t.is(session.description, 'Bad Request: sending of internal database files is forbidden')
})

test('without --local a file URI is no file_id', async (t) => {
  await using server = await startBotApi({ isLocal: false })
  await server.sendText('hello')
  const answer = await callApi(server, 'sendDocument', { chat_id: 1001, document: 'file:///etc/hostname' })
  t.is(
    answer.description,
    'Bad Request: wrong remote file identifier specified: Wrong character in the string',
  )
})

test('a received file is sent, copied and forwarded without a new upload', async (t) => {
  await using server = await startBotApi()
  const { message_id, file_unique_id } = await server.sendFile({
    kind: 'video',
    name: 'clip.mp4',
    caption: 'Mine',
  })
  const file_id = await receiveFileId(server)
  const sent = await callApi(server, 'sendVideo', { chat_id: 1001, video: file_id })
  t.is(sent.result.video.file_unique_id, file_unique_id)
  const source = { chat_id: 1001, from_chat_id: 1001, message_id }
  const copied = await callApi(server, 'copyMessage', source)
  t.deepEqual(Object.keys(copied.result), ['message_id'])
  const forwarded = await callApi(server, 'forwardMessage', source)
  t.like(forwarded.result, { caption: 'Mine', forward_origin: { type: 'user' }, video: { file_unique_id } })
  const missing = await callApi(server, 'copyMessage', { ...source, message_id: 999 })
  t.is(missing.description, 'Bad Request: message to copy not found')
  const wrong = await callApi(server, 'sendPhoto', { chat_id: 1001, photo: file_id })
  t.is(wrong.description, "Bad Request: can't use file of type video as photo")
})

test('a caption of more than 1024 characters is refused', async (t) => {
  await using server = await startBotApi()
  await server.sendFile()
  const document = await receiveFileId(server)
  const answer = await callApi(server, 'sendDocument', { chat_id: 1001, document, caption: 'x'.repeat(1025) })
  t.is(answer.description, 'Bad Request: message caption is too long')
})

test('a photo has several sizes, the largest last', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ kind: 'photo', size: 200_000 })
  const { result } = await callApi(server, 'getUpdates')
  const sizes = result[0].message.photo.map((size: { file_size: number }) => size.file_size)
  t.deepEqual(sizes, [5000, 20_000, 66_666, 200_000])
})
