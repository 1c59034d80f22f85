import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { type App, startApp } from '../../helpers/start-app.ts'

const uuidOf = (end: string) => `a1b2c3d4-0000-4000-8000-00000000${end}`
const [whole, locked, lost, bad, badLater] = ['0001', '0002', '0003', 'bad0', 'bad1'].map(uuidOf) as [
  string,
  string,
  string,
  string,
  string,
]
const size = 1_000_000

let depot: Depot
let app: App

test.before(async () => {
  depot = await openDepot()
  for (const uuid of [whole, locked, lost, bad, badLater])
    await depot.share({ uuid, bytes: Buffer.alloc(size, 'x'), name: 'secret.mp4', mimeType: 'video/mp4' })
  await depot.store.remove(lost)
  await chmod(depot.store.pathOf(locked), 0)
  const env = { NODE_OPTIONS: `--import=${join(import.meta.dirname, '../../helpers/bad-sectors.ts')}` }
  app = await startApp({ roles: ['web'], dir: depot.dir, env, isPowerless: true })
})
test.after.always(async () => {
  await app?.[Symbol.asyncDispose]()
  await depot?.[Symbol.asyncDispose]()
})

const ask = (uuid: string, method = 'GET') =>
  app.get(`/download/${uuid}`, { method, headers: { Accept: 'text/html' } })
const named = (uuid: string) => app.lines.filter((line) => line.uuid === uuid).map(({ message }) => message)

test('a file that the program may not read is a missing one, for HEAD as well', async (t) => {
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await ask(locked, method)
    t.is(status, 404)
    t.is(headers['content-disposition'], undefined)
  }
})

test('a file that the disk does not give is told to come again, without its name', async (t) => {
  const { status, headers, text } = await ask(bad)
  t.is(status, 503)
  t.truthy(headers['retry-after'])
  t.regex(text, /<h1>Please try again/)
  t.notRegex(JSON.stringify(headers), /secret|disposition|etag|accept-ranges/i)
  t.deepEqual(named(bad), ['the file of a link cannot be read'])
})

test('a file that the disk gives in part ends that download alone', async (t) => {
  await t.throwsAsync(ask(badLater), { code: 'ECONNRESET' })
  t.is((await ask(whole)).body.length, size)
  t.deepEqual(named(badLater), ['the file of a link cannot be read'])
})

test('whoever asks again and again for missing bytes writes one line in the log', async (t) => {
  for (let times = 0; times < 20; times++) t.is((await ask(lost)).status, 404)
  t.deepEqual(named(lost), ['the file of a link is missing'])
})
