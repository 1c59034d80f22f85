import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { TelegramApi } from '../../app/telegram/api.ts'
import { TelegramFiles } from '../../app/telegram/files.ts'
import { PartialDownloads, type Watched } from '../../app/telegram/partial-downloads.ts'
import { callApi, receiveFileId } from '../bot-api/call-api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { until } from '../helpers/until.ts'

const block = 4096

/** A `temp` folder, in which a test plays the server. */
async function openFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'tgdepot-arrivals-'))
  const arrivals = new PartialDownloads(folder)
  const watched: Watched[] = []
  return {
    /** Awaits a file of so many blocks; `figures` are those that it is shown, in blocks. */
    async begin(size?: number, fileId = `file ${watched.length}`) {
      const figures: number[] = []
      const received = (bytes: number) => {
        const blocks = bytes / block
        if (figures.at(-1) !== blocks) figures.push(blocks)
      }
      const bytes = size === undefined ? undefined : size * block
      const one = await arrivals.begin({ fileId, size: bytes, received })
      watched.push(one)
      return { figures, ...one }
    },
    /** The server writes so many blocks more. */
    grow: (name: string, blocks: number) => appendFile(join(folder, name), Buffer.alloc(blocks * block, 1)),
    /** The server has the whole file, and gives it another name. */
    finish: (name: string) => rm(join(folder, name)),
    async [Symbol.asyncDispose]() {
      for (const { end } of watched) end(true)
      await rm(folder, { recursive: true })
    },
  }
}

const shows = ({ figures }: { figures: number[] }, blocks: number) =>
  until(
    () => `it shows ${blocks}, not ${figures}`,
    () => figures.at(-1) === blocks,
  )

test('one file shows what has come of it, also when a part was there before', async (t) => {
  await using folder = await openFolder()
  await folder.grow('1', 3)
  const file = await folder.begin(10)
  await folder.grow('1', 2)
  await shows(file, 5)
  await folder.grow('1', 4)
  await shows(file, 9)
  t.deepEqual(file.figures, [5, 9])
})

test('a file that comes while another one does is not shown as that one’s', async (t) => {
  await using folder = await openFolder()
  const first = await folder.begin(100)
  await folder.grow('1', 2)
  await shows(first, 2)
  const second = await folder.begin(100)
  await folder.grow('2', 50)
  await shows(second, 50)
  await folder.grow('1', 1)
  await shows(first, 3)
  t.deepEqual([first.figures, second.figures], [[2, 3], [50]])
})

test('a partial file longer than announced is that of the larger file', async (t) => {
  await using folder = await openFolder()
  const [small, large] = [await folder.begin(4), await folder.begin(50)]
  await folder.grow('1', 10)
  await shows(large, 10)
  await folder.grow('2', 3)
  await shows(small, 3)
  t.deepEqual([small.figures, large.figures], [[3], [10]])
})

test('a file of which more comes than announced is known by that, also when it is asked for again', async (t) => {
  await using folder = await openFolder()
  const file = await folder.begin(4, 'file')
  await folder.grow('1', 3)
  await shows(file, 3)
  t.false(file.hasOutgrown())
  await folder.grow('1', 3)
  await until('it is known', () => file.hasOutgrown())
  file.end(false)
  const again = await folder.begin(4, 'file')
  t.false(again.hasOutgrown())
  await folder.grow('1', 1)
  await until('it is known at once', () => again.hasOutgrown())
  again.end(false)
  const anew = await folder.begin(4, 'file')
  // As after a restart of the server.
  await folder.grow('2', 2)
  await shows(anew, 2)
  t.false(anew.hasOutgrown())
})

test('a file of which more comes than announced is known by its first part as well', async (t) => {
  await using folder = await openFolder()
  const file = await folder.begin(4)
  await folder.grow('1', 5)
  await until('it is known', () => file.hasOutgrown())
  t.pass()
})

test('what was too long for a file before it was asked for is not taken for it', async (t) => {
  await using folder = await openFolder()
  await folder.grow('1', 10)
  const file = await folder.begin(4)
  await folder.grow('1', 1)
  await folder.grow('2', 1)
  await shows(file, 1)
  t.false(file.hasOutgrown())
})

test('what was taken for a smaller file is the larger one’s once it is too long for the other', async (t) => {
  await using folder = await openFolder()
  const small = await folder.begin(4)
  // Of a process before this one.
  await folder.grow('1', 2)
  await shows(small, 2)
  const large = await folder.begin(50)
  await folder.grow('1', 8)
  await shows(large, 10)
  t.false(small.hasOutgrown())
  await folder.grow('2', 3)
  await shows(small, 3)
  t.deepEqual([small.figures, large.figures], [[2, 3], [10]])
})

test('a partial file that may be either’s is shown as nobody’s, until one of them is there', async (t) => {
  await using folder = await openFolder()
  const [first, second] = [await folder.begin(20), await folder.begin(20)]
  await folder.grow('1', 5)
  // What only this one can be shows that the folder was looked at.
  const witness = await folder.begin()
  await folder.grow('2', 21)
  await shows(witness, 21)
  t.deepEqual([first.figures, second.figures], [[], []])
  await folder.finish('1')
  first.end(true)
  await folder.grow('3', 2)
  await shows(second, 2)
  t.deepEqual(first.figures, [])
})

test('what the server still writes of a file that was given up is not shown as another’s', async (t) => {
  await using folder = await openFolder()
  const [file, givenUp] = [await folder.begin(20), await folder.begin(20)]
  await folder.grow('1', 5)
  givenUp.end(false)
  await folder.grow('1', 5)
  const witness = await folder.begin()
  await folder.grow('2', 21)
  await shows(witness, 21)
  t.deepEqual(file.figures, [])
})

test('a transfer that begins anew under another name is followed there', async (t) => {
  await using folder = await openFolder()
  const file = await folder.begin(20)
  await folder.grow('1', 8)
  await shows(file, 8)
  await file.again()
  await folder.grow('2', 1)
  await shows(file, 1)
  t.deepEqual(file.figures, [8, 1])
})

test('of two files that the server fetches at the same time, each shows its own progress', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const api = new TelegramApi(server.url, server.token)
  t.teardown(() => api.close())
  const files = new TelegramFiles(api, server.dir)
  const fileIds: string[] = []
  const sizes = [1_000_000, 2_000_000]
  for (const size of sizes) {
    await server.sendFile({ size, seed: size })
    fileIds.push(await receiveFileId(server))
  }
  await server.settings({ download_bytes_per_second: 1_000_000 })
  const signal = new AbortController().signal
  const figures: number[][] = [[], []]
  const fetch = (at: number) =>
    files.fetch(
      { fileId: fileIds[at] ?? '', size: sizes[at], patience: 60_000 },
      (bytes) => figures[at]?.push(bytes),
      signal,
    )

  const first = fetch(0)
  await until('the first one comes', () => Number(figures[0]?.at(-1)) > 0)
  const second = fetch(1)
  // The server serves the newest call first: the other one stands still.
  await second
  const atSecond = figures[0]?.at(-1) ?? 0
  t.true(atSecond < 800_000, `${atSecond} bytes of the first`)
  t.true(Number(figures[1]?.at(-1)) > 1_000_000, `${figures[1]?.at(-1)} bytes of the second`)
  await first
  for (const [at, shown] of figures.entries()) {
    t.deepEqual(
      shown,
      shown.toSorted((a, b) => a - b),
    )
    t.true(Math.max(...shown) <= Number(sizes[at]))
  }
})

test('those that stand still together are seen to at the same time; one beside another that grows only waits', async (t) => {
  await using folder = await openFolder()
  const [first, second, third] = [await folder.begin(10), await folder.begin(10), await folder.begin(10)]
  await folder.grow('a', 1)
  await until('all have stood still', () => [first, second, third].every((one) => one.quiet() > 300))
  await folder.grow('b', 1)
  await until('one of them grows', () => first.quiet() < 200 && second.quiet() < 200)
  t.true(third.quiet() < 200)
})

test('what nobody can tell whose it is still says that the newest goes on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tgdepot-arrivals-'))
  const arrivals = new PartialDownloads(folder)
  const figures: number[] = []
  let growth = 0
  const givenUp = await arrivals.begin({ fileId: 'given up', size: 10 * block, received: () => {} })
  givenUp.end(false)
  const one = await arrivals.begin({
    fileId: 'one',
    size: 10 * block,
    received: (bytes) => figures.push(bytes),
    grew: () => growth++,
  })
  await appendFile(join(folder, 'a'), Buffer.alloc(block, 1))
  await until('it is said to go on', () => growth > 0)
  t.deepEqual(figures, [])
  one.end(true)
  await rm(folder, { recursive: true })
})
