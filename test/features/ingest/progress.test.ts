import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

test('a file is acknowledged at once, shows its progress every 3 s, and is the inode that the server fetched', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 400_000 })
  const sentAt = Date.now()
  const sent = await api.sendFile({ name: 'film.mkv', size: 3_000_000 })
  const status = await api.waitForMessage(1001, ({ from }) => from.is_bot)
  t.true(Date.now() - sentAt < 3000)
  t.regex(status.text ?? '', /^film\.mkv \(3 MB\)/)

  const temp = join(api.dir, api.token, 'temp')
  const inode = await until('the partial file', async () => {
    const [name] = await readdir(temp).catch(() => [])
    return name && (await stat(join(temp, name))).ino
  })
  const link = await linkFor(api, sent, 20_000)
  const kept = await stat(join(app.storage, link.uuid.slice(0, 2), link.uuid))
  t.is(kept.ino, inode)
  // The server's own name goes when the link is recorded.
  await until(
    'the last other name to go',
    async () => (await stat(join(app.storage, link.uuid.slice(0, 2), link.uuid))).nlink === 1,
  )

  t.is(link.message.message_id, status.message_id, 'one message tells it all')
  const shown = (text: string | undefined) => /(\d+) % · ([\d.]+) (kB|MB)/.exec(text ?? '')
  const bars = link.message.edits.filter(({ text }) => shown(text))
  t.true(bars.length >= 2, `${bars.length} bars`)
  for (const [i, bar] of bars.entries()) {
    const before = bars[i - 1]
    if (!before) continue
    // As the server sees them: each may be a little late on its way.
    t.true(bar.at - before.at >= 2500, `${bar.at - before.at} ms between two bars`)
    t.true(Number(shown(bar.text)?.[1]) > Number(shown(before.text)?.[1]))
    t.regex(bar.text ?? '', /▓+░+ \d+ % · [\d.]+ [kM]B · \d+(\.\d)? kB\/s · \d+ s left$/)
  }
})
