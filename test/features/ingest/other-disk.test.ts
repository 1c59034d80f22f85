import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { sha256 } from '../../helpers/sha256.ts'
import { startApp } from '../../helpers/start-app.ts'

test('with the store on another file system a file is copied, which the log says, and is there once', async (t) => {
  const other = await mkdtemp('/dev/shm/tgdepot-')
  t.teardown(() => rm(other, { recursive: true, force: true }))
  await using api = await startBotApi()
  t.not((await stat(other)).dev, (await stat(api.dir)).dev, 'the test needs two file systems')
  await using app = await startApp({ api, env: { STORAGE_PATH: join(other, 'store') } })
  const sent = await api.sendFile({ size: 200_000 })
  const { path, uuid } = await linkFor(api, sent)
  t.is(sent.sha256, sha256((await app.get(path)).body))
  const warning = await app.log(({ message }) => /cannot hard-link into the store/.test(message))
  t.is(warning.code, 'EXDEV')
  t.deepEqual(await app.stored(), [uuid])
  const kept = await stat(join(app.storage, uuid.slice(0, 2), uuid))
  t.is(kept.mode & 0o777, 0o644)
  const left = await readdir(api.dir, { recursive: true })
  t.deepEqual(
    left.filter((name) => /file_\d/.test(name)),
    [],
    "the server's copy is gone",
  )
})
