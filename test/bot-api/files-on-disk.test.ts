import { watch } from 'node:fs'
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { callApi, receiveFileId, until } from './call-api.ts'
import { type SendFile, type StandIn, startBotApi } from './client.ts'

const HOUR_S = 3600

async function fetchFile(server: StandIn, file: SendFile): Promise<string> {
  await server.sendFile(file)
  const { result } = await callApi(server, 'getFile', { file_id: await receiveFileId(server) })
  return result.file_path
}

const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

const names: [file: SendFile, path: string][] = [
  [{ name: 'archive.tar.gz' }, 'documents/file_1.gz'],
  [{ name: 'no extension' }, 'documents/file_1'],
  [{ mime_type: 'application/pdf' }, 'documents/file_1.pdf'],
  [{ name: 'odd.a b/c"%\n' }, 'documents/file_1.abc'],
  [{ name: `long.${'x'.repeat(50)}` }, `documents/file_1.${'x'.repeat(20)}`],
  [{ kind: 'video', name: 'clip.mkv' }, 'videos/file_1.mkv'],
  [{ kind: 'video' }, 'videos/file_1.mp4'],
  [{ kind: 'audio', name: 'song.flac' }, 'music/file_1.flac'],
  [{ kind: 'voice' }, 'voice/file_1.oga'],
  [{ kind: 'video_note' }, 'video_notes/file_1.mp4'],
  [{ kind: 'animation' }, 'animations/file_1.mp4'],
  [{ kind: 'photo' }, 'photos/file_1.jpg'],
]

test('files lie by kind, numbered, with the extension of the sender', async (t) => {
  await using server = await startBotApi()
  for (const [index, [file, path]] of names.entries()) {
    const expected = join(server.dir, server.token, path.replace('file_1', `file_${index + 1}`))
    t.is(await fetchFile(server, file), expected, JSON.stringify(file))
  }
})

test('files are 0640, folders 0750, and databases 0600', async (t) => {
  await using server = await startBotApi({ umask: '022' })
  const path = await fetchFile(server, { name: 'a.bin' })
  const bot = join(server.dir, server.token)
  const folders = [server.dir, bot, join(bot, 'documents'), join(bot, 'temp')]
  t.deepEqual(await Promise.all(folders.map(mode)), ['750', '750', '750', '750'])
  const files = [path, join(bot, 'td.binlog'), join(server.dir, 'tqueue.binlog')]
  t.deepEqual(await Promise.all(files.map(mode)), ['640', '600', '600'])
})

test('a stricter umask takes its bits away', async (t) => {
  await using server = await startBotApi({ umask: '077' })
  const path = await fetchFile(server, { name: 'a.bin' })
  t.deepEqual([await mode(path), await mode(join(server.dir, server.token))], ['600', '700'])
})

test('the numbers go on after a restart, and a taken name gets six hex digits', async (t) => {
  await using server = await startBotApi()
  await fetchFile(server, { name: 'a.bin' })
  await server.restart('SIGKILL')
  const folder = join(server.dir, server.token, 'documents')
  t.is(await fetchFile(server, { name: 'b.bin' }), join(folder, 'file_2.bin'))
  await writeFile(join(folder, 'file_3.bin'), 'in the way')
  t.regex(await fetchFile(server, { name: 'c.bin' }), /\/file_3_[0-9a-f]{6}\.bin$/)
  t.is(await readFile(join(folder, 'file_3.bin'), 'utf8'), 'in the way')
})

test('the empty final file is there first, then the partial file is renamed over it', async (t) => {
  await using server = await startBotApi()
  await server.sendFile({ name: 'a.bin' })
  const file_id = await receiveFileId(server)
  const events: string[] = []
  const folder = join(server.dir, server.token, 'documents')
  const watcher = watch(folder, (event, name) => events.push(`${event} ${name}`))
  t.teardown(() => watcher.close())
  await callApi(server, 'getFile', { file_id })
  await until(() => (events.filter((event) => event === 'rename file_1.bin').length >= 2 ? true : undefined))
  t.deepEqual(await readdir(join(server.dir, server.token, 'temp')), [])
})

test('its tidying removes what nobody read for 23 hours, but nothing of the last hour', async (t) => {
  await using server = await startBotApi()
  const forgotten = await fetchFile(server, { name: 'a.bin' })
  const read = await fetchFile(server, { name: 'b.bin' })
  const fresh = await fetchFile(server, { name: 'c.bin' })
  const orphan = join(server.dir, server.token, 'temp', '99')
  await writeFile(orphan, 'x')
  const now = Date.now() / 1000
  for (const path of [forgotten, orphan]) await utimes(path, now - 24 * HOUR_S, now - 24 * HOUR_S)
  await utimes(read, now - HOUR_S, now - 24 * HOUR_S)
  await utimes(fresh, now - 24 * HOUR_S, now - 1800)
  t.is((await server.settings({ gc_now: true })).removed_files, 2)
  await t.throwsAsync(stat(forgotten), { code: 'ENOENT' })
  await t.throwsAsync(stat(orphan), { code: 'ENOENT' })
  t.true((await stat(read)).isFile() && (await stat(fresh)).isFile())
})

test('its tidying keeps 100 MB at most, the longest unread files go first', async (t) => {
  await using server = await startBotApi()
  const paths: string[] = []
  for (const name of ['a.bin', 'b.bin', 'c.bin'])
    paths.push(await fetchFile(server, { name, size: 50 << 20 }))
  const now = Date.now() / 1000
  for (const [index, path] of paths.entries())
    await utimes(path, now - (5 - index) * HOUR_S, now - 6 * HOUR_S)
  t.is((await server.settings({ gc_now: true })).removed_files, 1)
  await t.throwsAsync(stat(paths[0] ?? ''), { code: 'ENOENT' })
})
