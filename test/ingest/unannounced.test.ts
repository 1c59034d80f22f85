import { readdir } from 'node:fs/promises'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'

/** The names of finished files in the Bot API server's folder. */
async function copiesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true })
  return entries.filter((name) => /\/file_\d+/.test(name))
}

test('a file without an announced size is taken in', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const { path } = await linkFor(api, await api.sendFile({ announced_size: null, size: 12_345 }))
  t.is((await app.get(path)).body.length, 12_345)
})

test('one that turns out to be over the limit is not kept anywhere', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { MAX_FILE_SIZE: '10000' } })
  await api.sendFile({ announced_size: null, size: 12_345 })
  const { inline_keyboard } = await api.waitForMessage(1001, ({ text }) => /above the limit/.test(text ?? ''))
  t.is(inline_keyboard, undefined, 'trying again is of no use')
  t.deepEqual(await app.stored(), [])
  t.deepEqual(await copiesIn(api.dir), [])
})

for (const quota of ['USER_QUOTA', 'STORAGE_QUOTA']) {
  test(`one that turns out to be over ${quota} is not kept, and its sender is told`, async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api, env: { [quota]: '10000' } })
    await api.sendFile({ announced_size: null, size: 12_345 })
    await api.waitForMessage(1001, ({ text }) => /quota has no room left for this file/.test(text ?? ''))
    t.deepEqual(await app.stored(), [])
    t.deepEqual(await copiesIn(api.dir), [])
    t.deepEqual(app.sql('SELECT * FROM links'), [])
  })
}

test('a file of another size than announced never gets a link', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.sendFile({ announced_size: 20_000, size: 12_345 })
  await api.waitForMessage(1001, ({ text }) => /did not arrive whole/.test(text ?? ''))
  t.deepEqual(await app.stored(), [])
  t.deepEqual(app.sql('SELECT * FROM links'), [])
})

test('the server’s copy of a file of another size is removed, so that it is fetched anew', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api })
  await api.sendFile({ announced_size: 20_000, size: 12_345 })
  await api.waitForMessage(1001, ({ text }) => /did not arrive whole/.test(text ?? ''))
  t.deepEqual(await copiesIn(api.dir), [])
})
