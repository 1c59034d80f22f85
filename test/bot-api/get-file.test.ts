import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, readFile, rename, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import { callApi, receiveFileId, until } from './call-api.ts'
import { type StandIn, sha256Of, startBotApi } from './client.ts'

async function sha256OfPath(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const getFile = (server: StandIn, file_id: string) => callApi(server, 'getFile', { file_id })

/** The transfer of this file once it is under way with at least one byte. */
const underWay = (server: StandIn, uniqueId: string | undefined) =>
  until(async () => {
    const { bots } = await server.state()
    const transfers = bots.flatMap((bot) => bot.downloads)
    return transfers.find((transfer) => transfer.file_unique_id === uniqueId && transfer.received > 0)
  })

test('the answer names the complete file by its absolute path', async (t) => {
  await using server = await startBotApi()
  const sent = await server.sendFile({ name: 'Bericht.PDF', size: 5_000_001, seed: 'report' })
  const { result } = await getFile(server, await receiveFileId(server))
  t.is(result.file_path, join(server.dir, server.token, 'documents', 'file_1.PDF'))
  t.is(result.file_size, 5_000_001)
  const hash = await sha256OfPath(result.file_path)
  t.deepEqual([hash, hash], [await sha256Of('report', 5_000_001), sent.sha256])
})

test('nothing is answered before the file is complete; meanwhile its partial file grows', async (t) => {
  await using server = await startBotApi()
  const { file_unique_id } = await server.sendFile({ size: 1_000_000, seed: 1 })
  const id = await receiveFileId(server)
  await server.settings({ download_bytes_per_second: 100_000 })
  let isAnswered = false
  const answer = getFile(server, id).finally(() => {
    isAnswered = true
  })
  await underWay(server, file_unique_id)
  // The second part of a pair comes first, so for a while the file has a hole before its end.
  const partial = await until(async () => {
    const found = await stat(join(server.dir, server.token, 'temp', '1'))
    return found.size > found.blocks * 512 ? found : undefined
  })
  t.true(partial.blocks > 0 && partial.size < 1_000_000)
  t.false(isAnswered)
  await server.settings({ download_bytes_per_second: null })
  t.is(await sha256OfPath((await answer).result.file_path), await sha256Of(1, 1_000_000))
})

test('a second call for the same file joins the first', async (t) => {
  await using server = await startBotApi()
  const { file_unique_id } = await server.sendFile({ size: 1_000_000 })
  const id = await receiveFileId(server)
  await server.settings({ download_bytes_per_second: 200_000 })
  const first = getFile(server, id)
  await underWay(server, file_unique_id)
  const second = getFile(server, id)
  await until(async () => (await server.calls('getFile'))[1])
  await server.settings({ download_bytes_per_second: null })
  t.deepEqual(await first, await second)
})

test('the file that was asked for last comes first', async (t) => {
  await using server = await startBotApi()
  const old = await server.sendFile({ size: 20_000_000 })
  const oldId = await receiveFileId(server)
  await server.sendFile({ size: 50_000 })
  const newId = await receiveFileId(server)
  await server.settings({ download_bytes_per_second: 200_000 })
  const slow = getFile(server, oldId).catch(() => 'cut')
  await underWay(server, old.file_unique_id)
  t.true((await getFile(server, newId)).ok)
  t.truthy(await underWay(server, old.file_unique_id))
  await server.kill()
  t.is(await slow, 'cut')
})

test('after the idle time the socket is closed without an answer and the transfer goes on', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ size: 300_000, seed: 4 })
  const id = await receiveFileId(server)
  await server.settings({ download_bytes_per_second: 100_000, idle_timeout_ms: 300 })
  await t.throwsAsync(getFile(server, id))
  await server.settings({ idle_timeout_ms: 500_000 })
  await until(async () => (await server.state()).bots[0]?.downloads.length === 0 || undefined)
  const calls = await server.calls('getFile')
  t.is(calls[0]?.status, 0)
  t.is(await sha256OfPath((await getFile(server, id)).result.file_path), await sha256Of(4, 300_000))
})

test('a complete file is answered at once by the same path, a hard link does not disturb it', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ name: 'a.bin', size: 10_000 })
  const id = await receiveFileId(server)
  const { file_path } = (await getFile(server, id)).result
  await link(file_path, join(server.dir, '..', 'kept'))
  t.is((await getFile(server, id)).result.file_path, file_path)
})

for (const [what, harm] of [
  ['deleted', unlink],
  ['renamed', (path: string) => rename(path, `${path}.old`)],
  ['touched', (path: string) => utimes(path, 1, 1)],
] as const) {
  test(`a ${what} file is fetched again under a new number`, async (t) => {
    await using server = await startBotApi()
    await server.sendFile({ name: 'a.bin', size: 10_000, seed: 3 })
    const id = await receiveFileId(server)
    await harm((await getFile(server, id)).result.file_path)
    const { file_path } = (await getFile(server, id)).result
    t.true(file_path.endsWith('/documents/file_2.bin'))
    t.is(await sha256OfPath(file_path), await sha256Of(3, 10_000))
  })
}

test('a restart forgets the paths, starts transfers over and leaves their partial files', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ name: 'done.bin', size: 1000 })
  const doneId = await receiveFileId(server)
  await getFile(server, doneId)
  const { file_unique_id } = await server.sendFile({ name: 'half.bin', size: 1_000_000, seed: 8 })
  const halfId = await receiveFileId(server)
  await server.settings({ download_bytes_per_second: 100_000 })
  const cut = getFile(server, halfId).catch(() => 'cut')
  await underWay(server, file_unique_id)
  await server.restart('SIGKILL')
  t.is(await cut, 'cut')
  await server.settings({ download_bytes_per_second: null })
  const bot = join(server.dir, server.token)
  t.is((await getFile(server, doneId)).result.file_path, join(bot, 'documents/file_2.bin'))
  const { file_path } = (await getFile(server, halfId)).result
  t.is(await sha256OfPath(file_path), await sha256Of(8, 1_000_000))
  t.true((await stat(join(bot, 'temp/2'))).isFile())
})

test('a failed transfer hides its reason, keeps its part and goes on with the next call', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ size: 5_000_000, seed: 6 })
  const id = await receiveFileId(server)
  await server.fault({ method: 'download', after_bytes: 2_000_000 })
  const description = 'Bad Request: wrong file_id or the file is temporarily unavailable'
  t.like(await getFile(server, id), { status: 400, description })
  const part = join(server.dir, server.token, 'temp/1')
  const { ino } = await stat(part)
  const { file_path } = (await getFile(server, id)).result
  t.is((await stat(file_path)).ino, ino)
  t.is(await sha256OfPath(file_path), await sha256Of(6, 5_000_000))
})

test('a wrong file_id and one of another bot are refused', async (t) => {
  await using server = await startBotApi()
  await server.sendFile()
  const id = await receiveFileId(server)
  t.is((await getFile(server, 'BQACnonsense')).description, 'Bad Request: invalid file_id')
  t.is((await callApi(server, 'getFile')).description, 'Bad Request: file_id not specified')
  const other = await callApi(server, 'getFile', { file_id: id }, '5:AAotherotherotherotherotherotherother')
  t.is(other.description, 'Bad Request: wrong file_id or the file is temporarily unavailable')
})

test('what a message says of the size may be nothing or wrong; getFile tells the truth', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ size: 10, announced_size: null })
  await server.sendFile({ size: 10, announced_size: 99 })
  const { result } = await callApi(server, 'getUpdates')
  const sizes = result.map((update: { message: { document: object } }) => update.message.document)
  t.is(sizes[0].file_size, undefined)
  t.is(sizes[1].file_size, 99)
  t.is((await getFile(server, sizes[1].file_id)).result.file_size, 10)
})

test('with --local files are not served over HTTP', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ name: 'a.bin' })
  await getFile(server, await receiveFileId(server))
  const response = await fetch(`${server.url}/file/bot${server.token}/documents/file_1.bin`)
  t.is(response.status, 404)
})

test('without --local the path is relative, the file is served, and 20 MiB are the limit', async (t) => {
  await using server = await startBotApi({ isLocal: false })
  await server.sendFile({ name: 'a.bin', size: 1000, seed: 2 })
  const { file_path } = (await getFile(server, await receiveFileId(server))).result
  t.is(file_path, 'documents/file_1.bin')
  const response = await fetch(`${server.url}/file/bot${server.token}/${file_path}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  t.deepEqual(bytes, await readFile(join(server.dir, server.token, file_path)))
  const secret = await fetch(`${server.url}/file/bot${server.token}/td.binlog`)
  t.is(secret.status, 404)
  await server.sendFile({ size: (20 << 20) + 1 })
  t.is((await getFile(server, await receiveFileId(server))).description, 'Bad Request: file is too big')
})
