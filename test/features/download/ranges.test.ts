import { readdir, readlink, stat } from 'node:fs/promises'
import test from 'ava'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { openDownload } from '../../helpers/http-get.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
const path = `/download/${uuid}`
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251))

let depot: Depot
let app: App
let etag: string
let modified: string

test.before(async () => {
  depot = await openDepot()
  await depot.share({ uuid, bytes, name: 'Ж.bin', mimeType: 'video/mp4' })
  app = await startApp({ roles: ['web'], dir: depot.dir })
  const { headers } = await app.get(path)
  etag = headers.etag ?? ''
  modified = headers['last-modified'] ?? ''
})
test.after.always(async () => {
  await app?.[Symbol.asyncDispose]()
  await depot?.[Symbol.asyncDispose]()
})

test('the whole file comes with its size, type, name, validators and the headers that keep it harmless', async (t) => {
  const { status, headers, body } = await app.get(path)
  t.is(status, 200)
  t.deepEqual(body, bytes)
  t.like(headers, {
    'content-length': '1000',
    'content-type': 'video/mp4',
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-store',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-robots-tag': 'noindex, nofollow',
  })
  t.regex(headers['content-disposition'] ?? '', /^attachment; .*filename\*=UTF-8''%D0%96\.bin$/)
  t.regex(etag, /^"[^"]+"$/, 'a strong validator')
  const { mtimeMs } = await stat(depot.store.pathOf(uuid))
  t.is(Date.parse(modified), Math.floor(mtimeMs / 1000) * 1000)
})

test('HEAD is the same without the bytes', async (t) => {
  const { status, headers, body } = await app.get(path, { method: 'HEAD' })
  t.is(status, 200)
  t.is(body.length, 0)
  t.like(headers, { 'content-length': '1000', etag, 'accept-ranges': 'bytes' })
})

const ranges: [range: string, status: number, start?: number, end?: number][] = [
  ['bytes=0-0', 206, 0, 0],
  ['bytes=0-99', 206, 0, 99],
  ['bytes=100-199', 206, 100, 199],
  ['bytes=999-999', 206, 999, 999],
  ['bytes=900-', 206, 900, 999],
  ['bytes=0-', 206, 0, 999],
  ['bytes=-1', 206, 999, 999],
  ['bytes=-100', 206, 900, 999],
  ['bytes=-5000', 206, 0, 999],
  ['bytes=990-5000', 206, 990, 999],
  ['bytes=1000-', 416],
  ['bytes=1000-1001', 416],
  ['bytes=5000-6000', 416],
  ['bytes=-0', 416],
  ['bytes=a-b', 200],
  ['bytes', 200],
  ['items=0-5', 200],
  ['bytes=0-1,5-6', 200],
]

for (const [range, status, start = 0, end = 999] of ranges) {
  test(`Range: ${range} is answered with ${status}`, async (t) => {
    const answer = await app.get(path, { headers: { Range: range } })
    t.is(answer.status, status)
    if (status === 416) {
      t.is(answer.headers['content-range'], 'bytes */1000')
      t.not(answer.body.length, 1000)
      return
    }
    const expected = bytes.subarray(start, end + 1)
    t.deepEqual(answer.body, expected)
    t.is(answer.headers['content-length'], String(expected.length))
    t.is(answer.headers['content-range'], status === 206 ? `bytes ${start}-${end}/1000` : undefined)
    t.is(answer.headers['content-type'], 'video/mp4')
  })
}

test('the status line says in words what it says in digits', async (t) => {
  const { listening } = await app.log((line) => 'listening' in line)
  const words = async (headers: Record<string, string>) => {
    const response = await openDownload(String(listening), path, headers)
    response.resume()
    return response.statusMessage
  }
  t.is(await words({}), 'OK')
  t.is(await words({ Range: 'bytes=0-1' }), 'Partial Content')
  t.is(await words({ Range: 'bytes=1000-' }), 'Range Not Satisfiable')
  t.is(await words({ 'If-None-Match': etag }), 'Not Modified')
})

test('an answer that refuses a request is not saved under the file’s name, nor kept', async (t) => {
  const refused: [headers: Record<string, string>, status: number][] = [
    [{ Range: 'bytes=1000-' }, 416],
    [{ 'If-Match': '"x"' }, 412],
  ]
  for (const [headers, status] of refused) {
    const answer = await app.get(path, { headers })
    t.is(answer.status, status)
    t.like(answer.headers, { 'cache-control': 'private, no-store', 'x-content-type-options': 'nosniff' })
    for (const name of ['content-disposition', 'etag', 'last-modified', 'accept-ranges'])
      t.is(answer.headers[name], undefined, name)
  }
})

test('a range whose end stands before its start is ignored or refused (RFC 9110, 14.2)', async (t) => {
  const { status, body } = await app.get(path, { headers: { Range: 'bytes=9-1' } })
  t.true(status === 416 || (status === 200 && body.equals(bytes)), String(status))
})

test('HEAD has no ranges: it is answered as if none were asked for (RFC 9110, 14.2)', async (t) => {
  const { status, headers, body } = await app.get(path, { method: 'HEAD', headers: { Range: 'bytes=0-99' } })
  t.is(status, 200)
  t.is(headers['content-length'], '1000')
  t.is(body.length, 0)
})

const conditions: [title: string, headers: () => Record<string, string>, status: number][] = [
  ['If-Range with the tag', () => ({ 'If-Range': etag }), 206],
  ['If-Range with another tag', () => ({ 'If-Range': '"other"' }), 200],
  ['If-Range with the tag made weak', () => ({ 'If-Range': `W/${etag}` }), 200],
  ['If-Range with the date', () => ({ 'If-Range': modified }), 206],
  ['If-Range with an older date', () => ({ 'If-Range': 'Tue, 01 Jan 2019 00:00:00 GMT' }), 200],
  ['If-Range with a newer date', () => ({ 'If-Range': 'Fri, 01 Jan 2100 00:00:00 GMT' }), 200],
  ['If-Range with nonsense', () => ({ 'If-Range': 'nonsense' }), 200],
  ['If-None-Match with the tag', () => ({ 'If-None-Match': etag }), 304],
  ['If-None-Match with the tag made weak', () => ({ 'If-None-Match': `W/${etag}` }), 304],
  ['If-None-Match with the tag among others', () => ({ 'If-None-Match': `"x", ${etag}` }), 304],
  ['If-None-Match: *', () => ({ 'If-None-Match': '*' }), 304],
  ['If-None-Match with another tag', () => ({ 'If-None-Match': '"x"' }), 206],
  ['If-Modified-Since with the date', () => ({ 'If-Modified-Since': modified }), 304],
  ['If-Match with another tag', () => ({ 'If-Match': '"x"' }), 412],
  ['If-Match with the tag', () => ({ 'If-Match': etag }), 206],
  ['If-Match with the tag among others', () => ({ 'If-Match': `W/"x", ${etag}` }), 206],
  ['If-Match: *', () => ({ 'If-Match': '*' }), 206],
  ['If-Match with the tag made weak', () => ({ 'If-Match': `W/${etag}` }), 412],
  ['If-Match with nothing but weak tags', () => ({ 'If-Match': `W/${etag}, W/"x"` }), 412],
  [
    'If-Unmodified-Since with an older date',
    () => ({ 'If-Unmodified-Since': 'Tue, 01 Jan 2019 00:00:00 GMT' }),
    412,
  ],
]

for (const [title, headers, status] of conditions) {
  test(`${title} beside a range is answered with ${status}`, async (t) => {
    const answer = await app.get(path, { headers: { Range: 'bytes=10-19', ...headers() } })
    t.is(answer.status, status)
    if (status === 304 || status === 412) t.not(answer.body.length, 1000)
    if (status === 304) t.is(answer.headers.etag, etag)
    if (status === 206) t.deepEqual(answer.body, bytes.subarray(10, 20))
    if (status === 200) t.deepEqual(answer.body, bytes)
  })
}

test('the validators survive a restart', async (t) => {
  await using second = await startApp({ roles: ['web'], dir: depot.dir })
  const { headers } = await second.get(path)
  t.is(headers.etag, etag)
  t.is(headers['last-modified'], modified)
})

for (const name of [
  'Ж.bin',
  '%D0%96.bin',
  'a/b/c.bin',
  '100%.txt',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  'x?y=1',
  '',
]) {
  test(`the trailing name ${JSON.stringify(name)} changes nothing`, async (t) => {
    const answer = await app.get(`${path}/${/^[\x20-\x7e]*$/.test(name) ? name : encodeURI(name)}`)
    t.is(answer.status, 200)
    t.deepEqual(answer.body, bytes)
  })
}

test('a client that goes away in the middle leaves no line of error and no open file', async (t) => {
  const big = 'a1b2c3d4-0000-4000-8000-00000000000b'
  await depot.share({ uuid: big, bytes: Buffer.alloc(30_000_000) })
  const { listening } = await app.log((line) => 'listening' in line)
  const response = await openDownload(String(listening), `/download/${big}`)
  response.destroy()
  await until('the file is closed', async () => {
    const folder = `/proc/${app.pid}/fd`
    const targets = await Promise.all(
      (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')),
    )
    return !targets.some((target) => target.includes(big))
  })
  t.deepEqual(
    app.lines.filter(({ level }) => level === 'error'),
    [],
  )
})
