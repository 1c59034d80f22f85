import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { StartError } from '../../app/core/errors.ts'
import { thisWorker } from '../../app/core/worker.ts'
import {
  renewIdentity,
  SizeMismatch,
  Store,
  StoreAbsent,
  TooLarge,
  whyAbsent,
} from '../../app/store/index.ts'
import { onPostgres } from '../helpers/database-in.ts'
import { openRecords } from '../helpers/records.ts'

const ofSqlite = onPostgres ? test.skip : test

const [one, two] = ['ab000000-0000-4000-8000-000000000001', 'cd000000-0000-4000-8000-000000000002'] as const
const at = (root: string) => ({ STORAGE_PATH: root, MIN_FREE_DISK: () => 0 })
const noLinks = async () => ({ any: false, sample: [], knowAny: async () => false })
const fits = { size: 5, limit: 100, received: () => {} }

async function open(t: ExecutionContext, parent = tmpdir()) {
  const dir = await mkdtemp(join(parent, 'tgdepot-store-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const { database, log, ...records } = await openRecords()
  t.teardown(() => records[Symbol.asyncDispose]())
  const store = new Store(at(join(dir, 'store')), log)
  store.attach(database)
  await store.open(noLinks)
  const source = join(dir, 'source')
  await writeFile(source, 'hello', { mode: 0o640 })
  return { dir, store, database, log, source, text: (uuid: string) => readFile(store.pathOf(uuid), 'utf8') }
}

const names = async (store: Store) =>
  (await readdir(store.root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== '.tgdepot-store')
    .map(({ name }) => name)

test('a file is kept as another name of the same inode, readable for the web server', async (t) => {
  const { store, source } = await open(t)
  t.deepEqual(await store.importFile(one, source, fits), { intake: 'link', size: 5 })
  const [kept, given] = await Promise.all([stat(store.pathOf(one)), stat(source)])
  t.is(kept.ino, given.ino)
  t.is(kept.mode & 0o777, 0o644)
  t.is(store.nameOf(one), `ab/${one}`)
})

test('keeping the change time of the contents: the Bot API server would fetch it again', async (t) => {
  const { store, source } = await open(t)
  const before = await stat(source)
  await store.importFile(one, source, fits)
  t.is((await stat(source)).mtimeMs, before.mtimeMs)
})

test('keeping again is no fault and keeps the same', async (t) => {
  const { store, source, text } = await open(t)
  await store.importFile(one, source, fits)
  t.deepEqual(await store.importFile(one, source, fits), { intake: 'link', size: 5 })
  await rm(source)
  t.is(await text(one), 'hello')
})

test('a name left by a crash with other bytes is replaced', async (t) => {
  const { store, source, text } = await open(t)
  await writeFile(store.pathOf(one), 'half')
  await store.importFile(one, source, fits)
  t.is(await text(one), 'hello')
})

for (const [title, expected, error] of [
  ['smaller than announced', { size: 6, limit: 100 }, SizeMismatch],
  ['larger than announced', { size: 4, limit: 100 }, SizeMismatch],
  ['over the limit', { size: undefined, limit: 4 }, TooLarge],
] as const) {
  test(`a file ${title} never gets a name`, async (t) => {
    const { store, source } = await open(t)
    await t.throwsAsync(store.importFile(one, source, expected), { instanceOf: error })
    t.deepEqual(await names(store), [])
  })

  test(`a stream ${title} never gets a name and leaves nothing`, async (t) => {
    const { store } = await open(t)
    const stream = Readable.from([Buffer.from('he'), Buffer.from('llo')])
    await t.throwsAsync(store.importStream(one, stream, { ...expected, received: () => {} }), {
      instanceOf: error,
    })
    t.deepEqual(await names(store), [])
    t.true(stream.destroyed)
  })
}

test('a stream is kept whole, and told of as it comes', async (t) => {
  const { store, text } = await open(t)
  const received: number[] = []
  const stream = Readable.from([Buffer.from('he'), Buffer.from('llo')])
  t.is(await store.importStream(one, stream, { ...fits, received: (bytes) => received.push(bytes) }), 5)
  t.is(await text(one), 'hello')
  t.deepEqual(received, [2, 5])
  t.is((await stat(store.pathOf(one))).mode & 0o777, 0o644)
})

test('a stream that breaks leaves nothing', async (t) => {
  const { store } = await open(t)
  const stream = Readable.from(
    (function* () {
      yield Buffer.from('he')
      throw new Error('broken')
    })(),
  )
  await t.throwsAsync(store.importStream(one, stream, fits), { message: 'broken' })
  t.deepEqual(await names(store), [])
})

test('a stream has no name until all of it is there', async (t) => {
  const { store } = await open(t)
  const seen: boolean[] = []
  const stream = Readable.from(
    (async function* () {
      yield Buffer.from('hello')
      seen.push((await store.stat(one)) !== undefined)
    })(),
  )
  await store.importStream(one, stream, fits)
  t.deepEqual(seen, [false])
  t.is((await store.stat(one))?.size, 5)
})

test('shared bytes go with their last name', async (t) => {
  const { store, source, text } = await open(t)
  await store.importFile(one, source, fits)
  await rm(source)
  t.true(await store.linkExisting(one, two, 5))
  t.true(await store.linkExisting(one, two, 5), 'again is no fault')
  t.is((await stat(store.pathOf(two))).nlink, 2)
  await store.remove(one)
  t.is(await text(two), 'hello')
  t.is((await stat(store.pathOf(two))).nlink, 1)
})

test('bytes that are gone cannot be shared', async (t) => {
  const { store } = await open(t)
  t.false(await store.linkExisting(one, two, 5))
  t.deepEqual(await names(store), [])
})

test('damaged bytes are not shared', async (t) => {
  const { store, source } = await open(t)
  await store.importFile(one, source, fits)
  await truncate(source, 2)
  t.false(await store.linkExisting(one, two, 5))
  t.deepEqual(await names(store), [one])
})

test('folders that someone removed while they were empty are made again', async (t) => {
  const { store, source, text } = await open(t)
  const tidyUp = async () => {
    for (const folder of [...store.shards, 'incoming']) await rmdir(join(store.root, folder)).catch(() => {})
  }
  await tidyUp()
  t.deepEqual(await store.importFile(one, source, fits), { intake: 'link', size: 5 })
  await tidyUp()
  t.true(await store.linkExisting(one, two, 5))
  await store.remove(one)
  await tidyUp()
  await store.importStream(one, Readable.from(['hello']), fits)
  t.is(await text(one), 'hello')
  await tidyUp()
  await store.probe()
  t.deepEqual((await names(store)).sort(), [one, two])
})

test('removing twice is no fault', async (t) => {
  const { store, source } = await open(t)
  await store.importFile(one, source, fits)
  await store.remove(one)
  await store.remove(one)
  t.is(await store.stat(one), undefined)
})

test('half-written files of a crash are gone after the next start, kept ones stay', async (t) => {
  const { store, source, database, log } = await open(t)
  await store.importFile(one, source, fits)
  await writeFile(join(store.root, 'incoming', two), 'half')
  const next = new Store(at(store.root), log)
  next.attach(database)
  await next.open(noLinks)
  t.deepEqual(await names(next), [one])
})

test('what another living process is writing stays there at a start; what nobody has touched for a day goes', async (t) => {
  const { store, database, log } = await open(t)
  const incoming = join(store.root, 'incoming')
  const start = async () => {
    const next = new Store(at(store.root), log)
    next.attach(database)
    await next.open(noLinks)
    return await readdir(incoming)
  }
  const child = spawn('sleep', ['60'])
  t.teardown(() => child.kill())
  const living = `${one}.${hostname()}:${child.pid}:1:${thisWorker().split(':')[3]}`
  const foreign = `${two}.elsewhere:1:1:boot`
  for (const name of [living, foreign]) await writeFile(join(incoming, name), 'half')
  t.deepEqual((await start()).sort(), [living, foreign].sort())
  child.kill()
  await once(child, 'close')
  t.deepEqual(await start(), [foreign])
  await utimes(join(incoming, foreign), 1, 1)
  t.deepEqual(await start(), [])
})

test('from another file system the bytes are copied whole, and the copy may be made again', async (t) => {
  const { store, text } = await open(t, '/dev/shm')
  const { source } = await open(t)
  t.deepEqual(await store.importFile(one, source, fits), { intake: 'copy', size: 5 })
  t.deepEqual(await store.importFile(one, source, fits), { intake: 'copy', size: 5 })
  t.is(await text(one), 'hello')
  t.is((await stat(store.pathOf(one))).mode & 0o777, 0o644)
  t.deepEqual(await names(store), [one])
})

test('a store below a file is a fault of the start', async (t) => {
  const { source } = await open(t)
  await using records = await openRecords()
  const store = new Store(at(join(source, 'store')), records.log)
  store.attach(records.database)
  await t.throwsAsync(store.open(noLinks), {
    instanceOf: StartError,
    message: /^STORAGE_PATH: .* \(ENOTDIR\)$/,
  })
})

test('the probe writes and leaves nothing', async (t) => {
  const { store } = await open(t)
  await store.probe()
  t.deepEqual(await names(store), [])
  await rm(store.root, { recursive: true })
  await t.throwsAsync(store.probe(), { instanceOf: StoreAbsent })
})

ofSqlite('folders on one file system count once, one elsewhere for itself', async (t) => {
  const { store, dir } = await open(t)
  const [only, ...none] = await store.disks()
  t.is(only?.of, 'the store and the database')
  t.deepEqual(none, [])
  await store.open(noLinks, '/dev/shm')
  const rooms = await store.disks()
  t.deepEqual(rooms.map(({ of }) => of).sort(), ['the Bot API server', 'the store and the database'])
  await rm(join(dir, 'store'), { recursive: true })
  t.deepEqual((await store.disks()).length, 2, 'the database’s and the server’s')
})

test('a file that is not ready yet gets its name when it is, and none when it never is', async (t) => {
  const { store, source, text } = await open(t)
  const handing = Promise.withResolvers<void>()
  const keeping = store.importFile(one, source, fits, handing.promise)
  // All that does not need the file to be ready has been done by then.
  await store.probe()
  t.deepEqual(await names(store), [])
  handing.resolve()
  t.deepEqual(await keeping, { intake: 'link', size: 5 })
  t.is(await text(one), 'hello')
  const refused = Promise.reject(new Error('not handed over'))
  await t.throwsAsync(store.importFile(two, source, fits, refused), { message: 'not handed over' })
  t.deepEqual(await names(store), [one])
})

test('a store without its marker takes nothing, and takes up its work when it is back', async (t) => {
  const { store, source, dir, text } = await open(t)
  await rename(store.root, join(dir, 'away'))
  await mkdir(join(store.root, 'ab'), { recursive: true })
  await t.throwsAsync(store.importFile(one, source, fits), { instanceOf: StoreAbsent })
  await t.throwsAsync(store.linkExisting(two, one, 5), { instanceOf: StoreAbsent })
  await t.throwsAsync(store.importStream(one, Readable.from([]), fits), { instanceOf: StoreAbsent })
  t.false(store.isThere)
  t.deepEqual(await readdir(join(store.root, 'ab')), [])
  await rm(store.root, { recursive: true })
  await rename(join(dir, 'away'), store.root)
  t.true(await store.look())
  await store.importFile(one, source, fits)
  t.is(await text(one), 'hello')
})

test('what is set aside twice under one name is there twice, and two names of one inode become one', async (t) => {
  const { store, source } = await open(t)
  const { quarantine } = store
  const place = { shard: 'ab', name: one }
  const now = Date.now()
  await store.importFile(one, source, fits)
  t.true(await quarantine.put(place, now))
  await store.importFile(one, source, fits)
  t.true(await quarantine.put(place, now), 'the same bytes')
  t.is((await quarantine.list()).length, 1)
  await writeFile(store.pathOf(one), 'others')
  t.true(await quarantine.put(place, now))
  t.is((await quarantine.list()).length, 2)
  t.false(await quarantine.put(place, now), 'nothing is left')
  t.true(await quarantine.takeBack(place))
  t.false(await quarantine.takeBack(place), 'one is in its place')
})

test('of a database and the copy to which it was moved one has the store: the copy, from its first start on', async (t) => {
  await using left = await openRecords()
  await using moved = await openRecords()
  const root = join(left.dir, 'store')
  const claims = async () => ({ any: false, sample: [], knowAny: async () => false })
  const open = async ({ database, log }: typeof left) => {
    const store = new Store(at(root), log)
    store.attach(database)
    await store.open(claims)
    return store
  }
  await open(left)
  const [row] = await left.database.query<{ id: string }>('SELECT id FROM store')
  await moved.database.query('INSERT INTO store (id, recorded_at) VALUES ($1, 1)', row?.id)
  await renewIdentity(moved.database)
  t.is(await whyAbsent(root, moved.database), undefined)
  t.true((await open(left)).isThere, 'as long as the copy was not started')

  t.true((await open(moved)).isThere)
  await t.throwsAsync(open(left), { message: /is the store of another database/ })
  t.is(await whyAbsent(root, left.database), 'another store is in its place')
  t.true((await open(moved)).isThere, 'again')
})

test('several who look at the same moment at a store that was not introduced yet give it one id', async (t) => {
  await using records = await openRecords()
  const { dir, database, log } = records
  const store = new Store(at(join(dir, 'store')), log)
  store.attach(database)
  await mkdir(store.root)
  await store.open(async () => ({ any: true, sample: [one], knowAny: async () => false }))
  t.false(store.isThere)
  await mkdir(join(store.root, 'ab'))
  await writeFile(store.pathOf(one), 'hello')
  const path = join(store.root, '.tgdepot-store')
  // By chance the steps of several may fall well once.
  for (let round = 0; round < 20; round++) {
    await database.query('DELETE FROM store')
    await rm(path, { force: true })
    await Promise.all([store.look(), store.look(), store.look()])
    const marker = await readFile(path, 'utf8')
    t.deepEqual(await database.query('SELECT id FROM store'), [{ id: marker.trim() }])
  }
})
