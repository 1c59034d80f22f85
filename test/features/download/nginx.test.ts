import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { type Front, startBehindNginx } from '../../helpers/behind-nginx.ts'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { type GetOptions, httpGet } from '../../helpers/http-get.ts'
import { nameIn } from '../../helpers/names.ts'
import { nginxProgram } from '../../helpers/nginx.ts'
import { startApp } from '../../helpers/start-app.ts'

const throughNginx = nginxProgram === undefined ? test.skip : test
/** For what changes the store for all. */
const throughNginxFirst = nginxProgram === undefined ? test.serial.skip : test.serial

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
const path = `/download/${uuid}`
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251))

let depot: Depot
let front: Front
const get = (path: string, options?: GetOptions) => httpGet(`http://127.0.0.1:${front.port}`, path, options)

test.before(async () => {
  if (nginxProgram === undefined) return
  depot = await openDepot()
  await depot.share({ uuid, bytes })
  front = await startBehindNginx(depot)
})
test.after.always(async () => {
  await front?.[Symbol.asyncDispose]()
  await depot?.[Symbol.asyncDispose]()
})

throughNginx('several ranges come as multipart/byteranges, overlapping ones too', async (t) => {
  for (const range of ['bytes=0-1,5-6', 'bytes=0-10,5-15', 'bytes=0-0,-1']) {
    const { status, headers, text } = await get(path, { headers: { Range: range } })
    t.is(status, 206)
    t.regex(headers['content-type'] ?? '', /^multipart\/byteranges; boundary=/)
    t.is(text.match(/Content-Range: bytes \d+-\d+\/1000/g)?.length, 2)
  }
})

throughNginx('whoever asks for /health through nginx learns what works, and no detail', async (t) => {
  const { text } = await get('/health')
  t.deepEqual(JSON.parse(text).parts.database, { ok: true })
  t.notRegex(text, /detail/)
  const onSocket = await httpGet(join(depot.dir, 'web.sock'), '/health')
  t.is(JSON.parse(onSocket.text).parts.database.detail, 'answers')
})

throughNginx('with hundreds of ranges the whole file comes once', async (t) => {
  const ranges = Array.from({ length: 300 }, (_, i) => `${i}-`).join(',')
  const { status, body } = await get(path, { headers: { Range: `bytes=${ranges}` } })
  t.is(status, 200)
  t.deepEqual(body, bytes)
})

throughNginx('If-Modified-Since with the date or a later one is 304, with an older one 200', async (t) => {
  const { headers } = await get(path, { method: 'HEAD' })
  const at = async (date: string) => (await get(path, { headers: { 'If-Modified-Since': date } })).status
  t.is(await at(headers['last-modified'] ?? ''), 304)
  t.is(await at('Fri, 01 Jan 2100 00:00:00 GMT'), 304)
  t.is(await at('Tue, 01 Jan 2019 00:00:00 GMT'), 200)
})

throughNginx('any name may stand behind the UUID, in raw UTF-8 as well', async (t) => {
  for (const name of ['', 'a/b/c', '%D0%96%0A%ff.bin', '?x=%3F', 'Файл.bin', '文件', '😀']) {
    const socket = connect(front.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`GET ${path}/${name} HTTP/1.0\r\nRange: bytes=0-1\r\n\r\n`)
    t.regex(await text(socket), /^HTTP\/1\.1 206 /, name)
  }
})

const hidden = `_files/a1/${uuid}`
for (const way of [
  `/${hidden}`,
  `//${hidden}`,
  `/%5f${hidden.slice(1)}`,
  `/download/../${hidden}`,
  `/download/%2e%2e/${hidden}`,
  `${path}/../../${hidden}`,
]) {
  throughNginx(`${way} gives no file from outside`, async (t) => {
    const { status, headers, body } = await get(way, { headers: { 'X-Accel-Redirect': `/${hidden}` } })
    t.is(status, 404)
    t.false(body.includes(bytes))
    t.is(headers['content-disposition'], undefined)
  })
}

throughNginx('the answer with bytes has each header once, and the same ones as without nginx', async (t) => {
  await using alone = await startApp({ roles: ['web'], dir: depot.dir })
  for (const headers of [{}, { Range: 'bytes=0-9' }]) {
    const here = await get(path, { headers })
    const there = await alone.get(path, { headers })
    t.is(here.status, there.status)
    for (const name of Object.keys(there.headers)) {
      // nginx names its ranges only where none was asked for.
      if (name === 'accept-ranges' && here.status === 206) continue
      if (['connection', 'keep-alive', 'date'].includes(name)) continue
      t.is(here.headers[name], there.headers[name], name)
    }
  }
})

throughNginx('HEAD has no ranges: it is answered as if none were asked for (RFC 9110, 14.2)', async (t) => {
  const { status, headers, body } = await get(path, { method: 'HEAD', headers: { Range: 'bytes=0-99' } })
  t.is(status, 200)
  t.is(body.length, 0)
  t.is(headers['content-range'], undefined)
  const whole = await get(path)
  for (const name of [
    'content-length',
    'accept-ranges',
    'etag',
    'last-modified',
    'content-disposition',
    'content-type',
  ])
    t.is(headers[name], whole.headers[name], name)
})

throughNginx('a link whose bytes are missing is the page for an unknown one, without a name', async (t) => {
  const lost = uuid.replace(/a$/, '1')
  await depot.share({ uuid: lost, bytes: 'x', name: 'secret name.mp4', mimeType: 'video/mp4' })
  await depot.store.remove(lost)
  const headers = { Accept: 'text/html' }
  const answer = await get(`/download/${lost}`, { headers })
  const unknown = await get('/download/a1b2c3d4-0000-4000-8000-ffffffffffff', { headers })
  t.is(answer.status, 404)
  t.is(answer.text, unknown.text)
  const { date: _1, ...shown } = answer.headers
  const { date: _2, ...expected } = unknown.headers
  t.deepEqual(shown, expected)
  t.is(answer.headers['cache-control'], 'no-store')
  t.notRegex(JSON.stringify(answer.headers), /secret|disposition/i)
  const head = await get(`/download/${lost}`, { method: 'HEAD', headers })
  t.is(head.status, 404)
})

throughNginxFirst(
  'while the whole store is away its links are not called ended: 503, and when to come again',
  async (t) => {
    const { root } = depot.store
    const lost = uuid.replace(/a$/, '2')
    await depot.share({ uuid: lost, bytes: 'x', mimeType: 'video/mp4' })
    await depot.store.remove(lost)
    const marker = join(root, '.tgdepot-store')
    await rename(marker, `${marker}-away`)
    t.teardown(() => rename(`${marker}-away`, marker))
    const { status, headers, text } = await get(`/download/${lost}`, { headers: { Accept: 'text/html' } })
    t.is(status, 503)
    t.truthy(headers['retry-after'])
    t.is(headers['cache-control'], 'no-store')
    t.is(headers['content-disposition'], undefined)
    t.regex(text, /<h1>Please try again/)
    const json = await get(`/download/${lost}`, { headers: { Accept: 'application/json' } })
    t.is(JSON.parse(json.text).error, 'unavailable')
    t.is((await get('/download/a1b2c3d4-0000-4000-8000-ffffffffffff')).status, 404)
  },
)

const odd: [mimeType: string, sent: string][] = [
  ['', 'application/octet-stream'],
  ['text', 'application/octet-stream'],
  ['text/html; charset=x\r\nSet-Cookie: a=b', 'application/octet-stream'],
  ['видео/mp4', 'application/octet-stream'],
  ['a/b c', 'application/octet-stream'],
  [`a/${'b'.repeat(5000)}`, 'application/octet-stream'],
  ['multipart/byteranges', 'multipart/byteranges'],
  ['application/vnd.oasis.opendocument.text', 'application/vnd.oasis.opendocument.text'],
]

for (const [at, [mimeType, sent]] of odd.entries()) {
  throughNginx(
    `bytes of the type ${JSON.stringify(mimeType.slice(0, 40))} are sent as ${sent}`,
    async (t) => {
      const link = `${uuid.slice(0, 34)}e${at}`
      await depot.share({ uuid: link, bytes: 'hello', mimeType })
      await using alone = await startApp({ roles: ['web'], dir: depot.dir })
      for (const answer of [await get(`/download/${link}`), await alone.get(`/download/${link}`)]) {
        t.is(answer.status, 200)
        t.is(answer.headers['content-type'], sent)
        t.is(answer.text, 'hello')
      }
    },
  )
}

for (const what of ['the file', 'its folder']) {
  throughNginx(`a symbolic link in the place of ${what} leads nowhere, with nginx or without`, async (t) => {
    const link =
      what === 'the file' ? 'f1b2c3d4-0000-4000-8000-0000000000f1' : 'f2b2c3d4-0000-4000-8000-0000000000f2'
    await depot.share({ uuid: link, bytes: 'hello' })
    t.is((await get(`/download/${link}`)).text, 'hello')
    const real = depot.store.pathOf(link)
    const place = what === 'the file' ? real : dirname(real)
    await rename(place, join(depot.dir, `away-${link}`))
    await symlink(join(depot.dir, `away-${link}`), place)
    await using alone = await startApp({ roles: ['web'], dir: depot.dir })
    for (const answer of [await get(`/download/${link}`), await alone.get(`/download/${link}`)]) {
      t.is(answer.status, 404)
      t.false(answer.body.includes('hello'))
    }
  })
}

const inTheWay: [what: string, make: (place: string) => unknown, status: number][] = [
  ['a folder', (place) => mkdir(place), 404],
  ['a folder with files', (place) => mkdir(join(place, 'x'), { recursive: true }), 404],
  ['a pipe', (place) => execFileSync('mkfifo', [place]), 404],
  ['a socket', (place) => once(createServer().unref().listen(place), 'listening'), 503],
]

for (const [at, [what, make, status]] of inTheWay.entries()) {
  throughNginx(`${what} in the place of a file is answered by a page that names nothing`, async (t) => {
    const link = `${uuid.slice(0, 34)}c${at}`
    await depot.share({ uuid: link, bytes: 'hello', name: 'secret.mp4' })
    await depot.store.remove(link)
    await make(depot.store.pathOf(link))
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(`/download/${link}/secret.mp4`, { method, headers: { Accept: 'text/html' } })
      t.is(answer.status, status)
      t.is(answer.headers['cache-control'], 'no-store')
      t.notRegex(JSON.stringify(answer.headers) + answer.text, /secret|_files|_heads|location|disposition/i)
      t.regex(answer.text, method === 'GET' ? /<h1>(There is no such file|Please try again)/ : /^$/)
    }
  })
}

const names = [
  'plain.txt',
  'Ж "1" \\ 100% %41.txt',
  '=?UTF-8?B?0JY=?=.txt',
  `${'я'.repeat(125)}.tar.gz`,
  `${'x'.repeat(251)}.txt`,
]

for (const [at, name] of names.entries()) {
  throughNginx(
    `the name ${name.slice(0, 30)} is sent in both forms, so that every browser can save it`,
    async (t) => {
      const link = `${uuid.slice(0, 34)}d${at}`
      await depot.share({ uuid: link, bytes: 'hello', name })
      const { headers } = await get(`/download/${link}`)
      const disposition = headers['content-disposition'] ?? ''
      t.regex(disposition, /^attachment; filename=[\x20-\x7e]+; filename\*=UTF-8''/)
      const saved = nameIn(disposition) ?? ''
      if (Buffer.byteLength(name) <= 240) return t.is(saved, name)
      t.true(Buffer.byteLength(saved) <= 240, `${Buffer.byteLength(saved)} bytes`)
      t.true(name.startsWith(saved.slice(0, 100)))
      t.is(/(\.tar)?\.\w+$/.exec(saved)?.[0], /(\.tar)?\.\w+$/.exec(name)?.[0])
    },
  )
}

const beyond = ['bytes=1000-', 'bytes=2000-3000', 'bytes=-0', 'bytes=9-1', 'bytes=1000-, 5000-']
for (const range of beyond) {
  throughNginx(
    `an answer that refuses ${range} carries neither the file’s name nor its validators`,
    async (t) => {
      for (const headers of [{ Range: range }, { Range: range, 'If-None-Match': '"x"' }]) {
        const answer = await get(path, { headers })
        t.is(answer.status, 416)
        t.is(answer.headers['content-range'], 'bytes */1000')
        t.is(answer.headers['content-disposition'], undefined)
        t.is(answer.headers.etag, undefined)
        t.is(answer.headers['cache-control'], 'private, no-store')
      }
    },
  )
}

const named = [
  'bytes=999-',
  'bytes=-1',
  'bytes=-5000',
  'BYTES=0-',
  'bytes=5000-, 0-1',
  'bytes=0 - 9',
  'items=5000-',
  'bytes 5000-',
  'bytes = 5000-',
]
for (const range of named) {
  throughNginx(`bytes that answer ${range} carry the file’s name`, async (t) => {
    const { status, headers } = await get(path, { headers: { Range: range } })
    t.true(status === 200 || status === 206, String(status))
    t.truthy(nameIn(headers['content-disposition']))
  })
}

throughNginx(
  'a range beyond the end that counts by its If-Range is refused without the file’s name',
  async (t) => {
    await using alone = await startApp({ roles: ['web'], dir: depot.dir })
    const { headers: whole } = await get(path, { method: 'HEAD' })
    for (const condition of [whole.etag, whole['last-modified']]) {
      const headers = { Range: 'bytes=1000-', 'If-Range': condition ?? '' }
      for (const answer of [await get(path, { headers }), await alone.get(path, { headers })]) {
        t.is(answer.status, 416, condition)
        t.is(answer.headers['content-disposition'], undefined, condition)
        t.is(answer.headers['content-range'], 'bytes */1000')
      }
    }
  },
)

throughNginx('all bytes in the place of a range that does not count carry the file’s name', async (t) => {
  const stale = { Range: 'bytes=5000-', 'If-Range': '"other"' }
  const answers = [await get(path, { headers: stale }), await get(path, { method: 'HEAD', headers: stale })]
  const { headers: whole } = await get(path, { method: 'HEAD' })
  for (const condition of [`W/${whole.etag}`, 'Tue, 01 Jan 2019 00:00:00 GMT', '|', `${whole.etag}|`])
    answers.push(await get(path, { headers: { ...stale, 'If-Range': condition } }))
  answers.push(await get(path, { method: 'HEAD', headers: { Range: 'bytes=5000-' } }))
  for (const { status, headers } of answers) {
    t.is(status, 200)
    t.truthy(nameIn(headers['content-disposition']))
  }
})
