import { once } from 'node:events'
import { rm, stat } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { createApp } from '../../helpers/start-app.ts'
import { startHelper } from '../../helpers/start-helper.ts'
import { until } from '../../helpers/until.ts'

test('with a helper that hangs or is away files wait, and become links without a copy when it is back', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api, roles: ['bot'] })
  const path = join(app.dir, 'helper.sock')
  const options = { path, files: api.dir, port: Number(new URL(api.url).port) }
  app.spawn({ BOT_API_HELPER: path })
  await app.log(({ reason }) => reason === 'not reachable (HELPER_AWAY)')
  t.deepEqual(await api.calls('getMe'), [], 'nothing was said to a server that nobody knows')

  const first = await startHelper(options)
  const before = await linkFor(api, await api.sendFile({ size: 1000 }))
  t.is((await stat(join(app.storage, before.uuid.slice(0, 2), before.uuid))).mode & 0o777, 0o664)

  await first[Symbol.asyncDispose]()
  await rm(path)
  const held: Socket[] = []
  const silent = createServer((socket) => held.push(socket)).listen(path)
  await once(silent, 'listening')
  const release = () => {
    for (const socket of held) socket.destroy()
    silent.close()
  }
  t.teardown(release)
  const sent = await api.sendFile({ size: 2000 })
  await app.log(
    ({ message, error }) => message === 'transfer failed' && /HELPER_/.test(JSON.stringify(error)),
  )
  t.is((await app.stored()).length, 1)
  release()
  await using _helper = await startHelper(options)
  const { uuid } = await linkFor(api, sent, 60_000)
  await until(
    'the server’s name is gone',
    async () => (await stat(join(app.storage, uuid.slice(0, 2), uuid))).nlink === 1,
  )
  const ended = app.lines.filter(({ event }) => event === 'JOB_COMPLETED')
  t.deepEqual(
    ended.map(({ intake }) => intake),
    ['link', 'link'],
  )
  t.false(app.output.includes(api.token.split(':')[1] as string))
})
