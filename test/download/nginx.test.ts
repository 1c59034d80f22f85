import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { findPorts } from '../bot-api/fresh.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { type GetOptions, httpGet } from '../helpers/http-get.ts'
import { nginxProgram, startNginx } from '../helpers/nginx.ts'
import { type App, startApp } from '../helpers/start-app.ts'

const throughNginx = nginxProgram === undefined ? test.skip : test

const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
const path = `/download/${uuid}`
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251))

let depot: Depot
let web: App
let nginx: AsyncDisposable
let port: number
const get = (path: string, options?: GetOptions) => httpGet(`http://127.0.0.1:${port}`, path, options)

test.before(async () => {
  if (nginxProgram === undefined) return
  depot = await openDepot()
  await depot.share({ uuid, bytes })
  const socket = join(depot.dir, 'web.sock')
  const env = { SERVER_SOCKET: socket, X_ACCEL_PREFIX: '/_files/' }
  web = await startApp({ roles: ['web'], dir: depot.dir, env })
  port = (await findPorts()).http
  nginx = await startNginx({ folder: join(depot.dir, 'nginx'), port, socket, store: depot.store.root })
})
test.after.always(async () => {
  await nginx?.[Symbol.asyncDispose]()
  await web?.[Symbol.asyncDispose]()
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
    const socket = connect(port, '127.0.0.1')
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
