import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { sha256 } from '../../helpers/sha256.ts'
import { startApp } from '../../helpers/start-app.ts'
import { startProxy } from '../../helpers/start-proxy.ts'

test('from a Bot API root without --local a file is streamed to the disk', async (t) => {
  await using api = await startBotApi({ isLocal: false })
  await using app = await startApp({ api, env: { BOT_API_DIR: undefined } })
  const sent = await api.sendFile({ size: 3_000_000 })
  const { path, uuid } = await linkFor(api, sent)
  const { body, headers } = await app.get(path)
  t.is(sent.sha256, sha256(body))
  t.is(headers['content-length'], '3000000')
  t.is((await stat(join(app.storage, uuid.slice(0, 2), uuid))).mode & 0o777, 0o644)
  const finished = await app.log(({ event }) => event === 'DOWNLOAD_FINISHED')
  t.is(finished.intake, 'stream')
  t.deepEqual(await readdir(join(app.storage, 'incoming')), [])
})

test('what such a root does not give out gets its own sentence', async (t) => {
  await using api = await startBotApi({ isLocal: false })
  await using _app = await startApp({ api, env: { BOT_API_DIR: undefined } })
  await api.sendFile({ size: 21 << 20 })
  await api.waitForMessage(1001, ({ text }) => /does not let bots fetch a file of this size/.test(text ?? ''))
  t.pass()
})

for (const announced_size of [1_000_000, null]) {
  for (const length of [undefined, 'chunked', 'none'] as const) {
    const head = length === 'none' ? 'no length' : (length ?? 'its length')
    const size = announced_size === null ? 'no announced size' : 'its size announced'
    test(`a stream with ${head} in its head and ${size} that is cut leaves nothing behind and is fetched again`, async (t) => {
      await using api = await startBotApi({ isLocal: false })
      await using proxy = await startProxy(api.url)
      let cuts = 1
      proxy.spoil = (path) =>
        path.startsWith('/file/') && cuts-- > 0 ? { cutAfter: 100_000, ...(length && { length }) } : undefined
      await using app = await startApp({ api, env: { BOT_API_DIR: undefined, TELEGRAM_API_URL: proxy.url } })
      const sent = await api.sendFile({ size: 1_000_000, announced_size })
      await api.waitForMessage(1001, ({ text }) => /next try is in [456] s/.test(text ?? ''))
      t.deepEqual(await app.stored(), [])
      const { path } = await linkFor(api, sent)
      t.is((await app.get(path)).body.length, 1_000_000)
    })
  }
}

test('a path on the server’s disk without BOT_API_DIR is a fault of the owner, who finds it in the log', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { BOT_API_DIR: undefined } })
  await api.sendFile({ size: 100 })
  await api.waitForMessage(1001, ({ text }) => /not set up right/.test(text ?? ''))
  const line = await app.log(({ message }) => message === 'transfer failed')
  t.regex(JSON.stringify(line.error), /BOT_API_DIR is not set/)
})
