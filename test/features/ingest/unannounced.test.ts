import { readdir } from 'node:fs/promises'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor, saidIn } from '../../helpers/chat.ts'
import { startApp } from '../../helpers/start-app.ts'

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
  await api.waitForMessage(1001, ({ text }) => /not of the size that Telegram announced/.test(text ?? ''))
  t.deepEqual(await app.stored(), [])
  t.deepEqual(app.sql('SELECT * FROM links'), [])
})

test('the server’s copy of a file of another size is removed, so that it is fetched anew', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api })
  await api.sendFile({ announced_size: 20_000, size: 12_345 })
  await api.waitForMessage(1001, ({ text }) => /not of the size that Telegram announced/.test(text ?? ''))
  t.deepEqual(await copiesIn(api.dir), [])
})

test('who sends a file that turns out larger is told so while it comes, and not that nothing comes', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { STALL_SECONDS: '9', RETRY_DELAYS: '1,1' } })
  await api.settings({ download_bytes_per_second: 1_000_000 })
  await api.sendFile({ announced_size: 500_000, size: 60_000_000 })
  const told = /is not of the size that Telegram announced\. Press Retry/
  const { inline_keyboard } = await api.waitForMessage(1001, ({ text }) => told.test(text ?? ''), 30_000)
  t.truthy(inline_keyboard)
  const { bots } = await api.state()
  t.true(Number(bots[0]?.downloads[0]?.received) < 50_000_000, 'long before the server has it')
  const failures = app.lines.filter(({ message }) => message === 'transfer failed')
  t.deepEqual(
    failures.map(({ error_type }) => error_type),
    Array(3).fill('SIZE_MISMATCH'),
  )
  t.is((await saidIn(api, 1001)).length, 1)
  t.deepEqual(await app.stored(), [])
})
