import { execFileSync } from 'node:child_process'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { httpGet, openDownload } from '../../helpers/http-get.ts'
import { nameIn } from '../../helpers/names.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const living = 'a1b2c3d4-0000-4000-8000-0000000000a1'
const expired = 'a1b2c3d4-0000-4000-8000-0000000000a2'
const removed = 'a1b2c3d4-0000-4000-8000-0000000000a3'
const gone = 'a1b2c3d4-0000-4000-8000-0000000000a4'
const piped = 'b1b2c3d4-0000-4000-8000-0000000000b1'
const folder = 'b1b2c3d4-0000-4000-8000-0000000000b2'
const overwritten = 'c1b2c3d4-0000-4000-8000-0000000000c1'
const big = 'a1b2c3d4-0000-4000-8000-0000000000a5'

let depot: Depot
let app: App

test.before(async () => {
  depot = await openDepot()
  for (const uuid of [living, removed, gone]) await depot.share({ uuid, bytes: 'hello', name: 'Ж "1".txt' })
  await depot.share({ uuid: expired, bytes: 'hello', expiresAt: Date.now() - 1 })
  await depot.share({ uuid: big, bytes: Buffer.alloc(20_000_000, 'x') })
  await depot.links.markRemoved([removed])
  await depot.store.remove(gone)
  for (const uuid of [piped, folder, overwritten]) {
    await depot.share({ uuid, bytes: 'hello' })
    await depot.store.remove(uuid)
  }
  await mkdir(depot.store.pathOf(folder), { recursive: true })
  execFileSync('mkfifo', [depot.store.pathOf(piped)])
  await rm(dirname(depot.store.pathOf(overwritten)), { recursive: true, force: true })
  await writeFile(dirname(depot.store.pathOf(overwritten)), 'not a folder')
  app = await startApp({ roles: ['web'], dir: depot.dir })
})
test.after.always(async () => {
  await app?.[Symbol.asyncDispose]()
  await depot?.[Symbol.asyncDispose]()
})

const nowhere: [title: string, path: string][] = [
  ['an unknown UUID', '/download/a1b2c3d4-0000-4000-8000-ffffffffffff'],
  ['an unknown UUID with a name', '/download/a1b2c3d4-0000-4000-8000-ffffffffffff/x.txt'],
  ['an unknown UUID in capitals', '/download/A1B2C3D4-0000-4000-8000-FFFFFFFFFFFF'],
  ['an expired link', `/download/${expired}`],
  ['a removed link', `/download/${removed}`],
  ['a link whose file has gone', `/download/${gone}`],
  ['a link with a pipe in the place of its file', `/download/${piped}`],
  ['a link with a folder in the place of its file', `/download/${folder}`],
  ['a link with a file in the place of its folder', `/download/${overwritten}`],
  ['a UUID of another version', '/download/a1b2c3d4-0000-1000-8000-ffffffffffff'],
  ['no UUID', '/download/x'],
  ['a path upwards', '/download/..%2f..%2fdb%2ftgdepot.db'],
  ['a UUID with a blank', `/download/${living}%20`],
  ['a NUL', `/download/${living}%00`],
  ['a broken escape', '/download/%zz'],
  ['a quote', "/download/'%20OR%201=1--"],
  ['an address that nobody serves', '/nope'],
  ['a doubled slash', `//download/${living}`],
  ['no UUID at all', '/download/'],
  ['5000 letters', `/download/${'a'.repeat(5000)}`],
]

for (const [title, path] of nowhere) {
  test(`${title} gets the one 404, as a page and as JSON`, async (t) => {
    const known = '/download/a1b2c3d4-0000-4000-8000-000000000000'
    for (const accept of ['text/html', 'application/json', '*/*', '']) {
      const headers = accept === '' ? {} : { Accept: accept }
      const answer = await app.get(path, { headers })
      const usual = await app.get(known, { headers })
      t.is(answer.status, 404)
      t.is(answer.text, usual.text)
      const { date: _1, ...shown } = answer.headers
      const { date: _2, ...expected } = usual.headers
      t.deepEqual(shown, expected)
      t.is(answer.headers['cache-control'], 'no-store')
      t.is(answer.headers['content-disposition'], undefined)
    }
  })
}

test('the 404 is a page for people and JSON for programs', async (t) => {
  const page = await app.get('/download/x', { headers: { Accept: 'text/html,*/*;q=0.8' } })
  t.regex(page.headers['content-type'] ?? '', /^text\/html; charset=utf-8/)
  t.regex(page.text, /<h1>There is no such file<\/h1>/)
  const json = await app.get('/download/x', { headers: { Accept: 'application/json' } })
  t.regex(json.headers['content-type'] ?? '', /^application\/json/)
  t.is(JSON.parse(json.text).error, 'not_found')
})

test('a UUID in capitals is the same link', async (t) => {
  t.is((await app.get(`/download/${living.toUpperCase()}`)).text, 'hello')
})

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
  test(`${method} on a link is not allowed`, async (t) => {
    const { status, headers } = await app.get(`/download/${living}`, { method })
    t.is(status, 405)
    t.regex(headers.allow ?? '', /GET/)
  })
}

test('the first page says what this is, and holds no script', async (t) => {
  const { status, headers, text } = await app.get('/')
  t.is(status, 200)
  t.regex(text, /<title>tgdepot<\/title>/)
  t.regex(String(headers['content-security-policy']), /default-src 'none'/)
  t.notRegex(text, /<script|\son\w+=/)
})

test('/health without a bot role is 503 and says which part is not known', async (t) => {
  await using other = await openDepot()
  await using web = await startApp({ roles: ['web'], dir: other.dir })
  const { status, headers, text } = await web.get('/health')
  t.is(status, 503)
  t.is(headers['cache-control'], 'no-store')
  const { status: said, parts } = JSON.parse(text)
  t.is(said, 'failing')
  t.true(parts.database.ok)
  for (const part of ['bot_api', 'store', 'disk', 'queue', 'clock'])
    t.regex(parts[part].detail, /not reported yet/)
  for (const part of ['bot_api', 'store', 'disk', 'queue', 'clock'])
    await other.health.report(part, { ok: true, detail: 'fine' })
  t.is((await web.get('/health')).status, 200)
  await other.health.report('disk', { ok: false, detail: 'full' })
  const failing = await web.get('/health')
  t.is(failing.status, 503)
  t.deepEqual(JSON.parse(failing.text).parts.disk, { ok: false, detail: 'full' })
})

test('/health shows details to who asks on this machine or holds ADMIN_TOKEN, and to anyone else only what works', async (t) => {
  await using other = await openDepot()
  const token = 'an-administrator-s-token'
  const env = { ADMIN_TOKEN: token }
  await using web = await startApp({ roles: ['web'], dir: other.dir, env })
  for (const part of ['bot_api', 'store', 'queue', 'clock'])
    await other.health.report(part, { ok: true, detail: 'fine' })
  await other.health.report('disk', { ok: false, detail: '123 GB free' })
  const ask = async (headers: Record<string, string>) => {
    const { status, text } = await web.get('/health', { headers })
    t.is(status, 503)
    return { text, disk: JSON.parse(text).parts.disk }
  }
  const whole = { ok: false, detail: '123 GB free' }
  t.deepEqual((await ask({})).disk, whole)
  for (const name of ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-IP', 'Forwarded', 'Via']) {
    const passedOn = { [name]: '127.0.0.1' }
    const { text, disk } = await ask(passedOn)
    t.deepEqual(disk, { ok: false }, name)
    t.notRegex(text, /detail|123|fine/, name)
    t.deepEqual((await ask({ ...passedOn, Authorization: `Bearer ${token}-` })).disk, { ok: false })
    t.deepEqual((await ask({ ...passedOn, Authorization: `Bearer ${token}` })).disk, whole)
  }
})

test('with X_ACCEL_PREFIX the answer leaves the bytes to nginx', async (t) => {
  await using web = await startApp({ roles: ['web'], dir: depot.dir, env: { X_ACCEL_PREFIX: '/_files/' } })
  for (const path of [`/download/${living}`, `/download/${living}/any.txt`]) {
    const { status, headers, body } = await web.get(path, { headers: { Range: 'bytes=0-1' } })
    t.is(status, 200)
    t.is(body.length, 0)
    t.like(headers, {
      'x-accel-redirect': `/_files/a1/${living}`,
      'content-type': 'application/octet-stream',
      // nginx makes these where the bytes are: a page in their place shall not carry them.
      'content-disposition': undefined,
      'cache-control': undefined,
    })
    t.is(nameIn(String(headers['x-disposition'])), 'Ж "1".txt')
  }
  const lost = await web.get(`/download/${expired}`)
  t.is(lost.status, 404)
  t.is(lost.headers['x-accel-redirect'], undefined)
})

test('SERVER_SOCKET is listened on instead of a port, for owner and group, and taken over after a crash', async (t) => {
  const socket = join(depot.dir, 'web.sock')
  const env = { SERVER_SOCKET: socket }
  await using web = await startApp({ roles: ['web'], dir: depot.dir, env })
  t.is((await stat(socket)).mode & 0o777, 0o660)
  t.is((await httpGet(socket, `/download/${living}`)).text, 'hello')
  await web.restart('SIGKILL')
  t.is((await httpGet(socket, `/download/${living}`)).text, 'hello')
  t.is(await web.kill('SIGTERM'), 0)
  await t.throwsAsync(stat(socket), { code: 'ENOENT' })
})

test('a stop lets a running download end, and takes no new connection', async (t) => {
  await using web = await startApp({ roles: ['web'], dir: depot.dir })
  const { listening } = await web.log((line) => 'listening' in line)
  const response = await openDownload(String(listening), `/download/${big}`)
  process.kill(Number(web.pid), 'SIGTERM')
  await web.log(({ message }) => message === 'stopping')
  await until('no new connection', () =>
    httpGet(String(listening), '/').then(
      () => false,
      (error) => error.code === 'ECONNREFUSED',
    ),
  )
  let received = 0
  for await (const chunk of response) received += chunk.length
  t.is(received, 20_000_000)
  t.is(await web.ended(), 0)
})
