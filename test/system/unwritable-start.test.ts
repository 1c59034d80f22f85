import { chmod, rm, stat } from 'node:fs/promises'
import base from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { mountSmallDisk } from '../helpers/small-disk.ts'
import { createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const test = process.getuid?.() === 0 ? base.serial : base.serial.skip
const owner = 9000

for (const [title, signal, left] of [
  ['after a stop', 'SIGTERM', 0],
  ['after a crash', 'SIGKILL', 0],
  ['or with hardly any', 'SIGTERM', 90_000],
] as const) {
  test(`a start on a disk without room and without a reserve serves links, tells the owner, and waits, ${title}`, async (t) => {
    t.timeout(120_000)
    await using disk = await mountSmallDisk(64)
    await using api = await startBotApi()
    const env = { ...wide, ADMIN_USERS: String(owner), MIN_FREE_DISK: '1000000' }
    await using app = await createApp({ api, env, dir: disk.folder })
    await app.start()
    await api.sendText('/start', { from: { id: owner } })
    const { path } = await linkFor(api, await api.sendFile())
    const reserve = `${app.databaseFile}.reserve`
    await until(
      'the reserve is held',
      async () => (await stat(reserve).catch(() => undefined))?.size === 16 * 2 ** 20,
    )
    await app.kill(signal)
    await rm(reserve)
    await disk.fill(left)
    app.spawn()
    t.is((await app.get(path)).status, 200)
    await api.waitForMessage(owner, ({ text }) => /cannot be written to: its disk is full/.test(text ?? ''))
    const sent = await api.sendFile({ seed: 'late' })
    await disk.empty()
    await linkFor(api, sent)
    t.is((await app.get(path)).status, 200)
    t.is(app.lines.filter(({ level }) => level === 'fatal').length, 0)
    t.is(await app.kill('SIGTERM'), 0)
  })
}

for (const [title, signal] of [
  ['after a stop', 'SIGTERM'],
  ['after a crash', 'SIGKILL'],
] as const) {
  test(`a start with a database on a read-only disk serves links, tells the owner, and goes on when it is writable, ${title}`, async (t) => {
    t.timeout(120_000)
    await using disk = await mountSmallDisk(64)
    await using api = await startBotApi()
    const env = { ...wide, ADMIN_USERS: String(owner) }
    await using app = await createApp({ api, env, dir: disk.folder })
    await app.start()
    await api.sendText('/start', { from: { id: owner } })
    const { path } = await linkFor(api, await api.sendFile())
    await app.kill(signal)
    await disk.allowWriting(false)
    app.spawn()
    t.is((await app.get(path)).status, 200)
    await api.waitForMessage(owner, ({ text }) =>
      /cannot be written to: its disk is read-only/.test(text ?? ''),
    )
    const sent = await api.sendFile({ seed: 'late' })
    await disk.allowWriting(true)
    await linkFor(api, sent)
    const errors = app.lines.filter(({ level }) => level === 'error' || level === 'fatal')
    t.deepEqual(
      errors.map(({ message }) => message.replace(/.*database cannot|.*tgdepot.db/, '')),
      [' cannot be opened for writing (EROFS): waiting until that is over'],
    )
    const { messages } = await api.chat(owner)
    t.is(messages.filter(({ text }) => /cannot be written to/.test(text ?? '')).length, 1)
    t.is(await app.kill('SIGTERM'), 0)
  })
}

test('who has claimed the bot hears of a database that cannot be written to, once', async (t) => {
  t.timeout(120_000)
  await using disk = await mountSmallDisk(64)
  await using api = await startBotApi()
  const env = { ...wide, CLAIM_CODE: 'a-code-of-22-letters-x' }
  await using app = await createApp({ api, env, dir: disk.folder, roles: ['bot'] })
  await app.start()
  const { chat_id } = await api.sendText(`/start ${env.CLAIM_CODE}`, { from: { id: owner } })
  await api.waitForMessage(chat_id, ({ text }) => /is yours now/.test(text ?? ''))
  await app.kill('SIGKILL')
  await disk.allowWriting(false)
  app.spawn()
  const told = ({ text }: { text?: string }) => /cannot be written to: its disk is read-only/.test(text ?? '')
  await api.waitForMessage(owner, told)
  await disk.allowWriting(true)
  await app.log(({ message }) => message === 'Bot API server: logged in')
  t.is((await api.chat(owner)).messages.filter(told).length, 1)
})

test('a start that waits for a read-only disk ends when it is told to', async (t) => {
  await using disk = await mountSmallDisk(64)
  await using api = await startBotApi()
  await using app = await createApp({
    api,
    roles: ['bot'],
    env: { ADMIN_USERS: String(owner) },
    dir: disk.folder,
  })
  await app.start()
  await app.kill('SIGTERM')
  await disk.allowWriting(false)
  // The Bot API server takes the word to the owner and does not answer.
  await api.fault({ method: 'sendMessage', delay_ms: 60_000 })
  const since = Date.now()
  app.spawn()
  await app.log(({ message }) => /waiting until that is over/.test(message))
  await until('the owner is to be told', async () => (await api.calls('sendMessage', since)).length > 0)
  const began = performance.now()
  t.is(await app.kill('SIGTERM'), 0)
  t.true(performance.now() - began < 5000)
})

test('a database that the bot may not write to, for want of rights, is one clear line, and the end', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api, roles: ['bot'], isPowerless: true })
  await app.start()
  await app.kill('SIGTERM')
  await chmod(app.databaseFile, 0o444)
  app.spawn()
  t.is(await app.ended(), 1)
  t.deepEqual(
    app.lines.map(({ level, message }) => [level, message]),
    [['fatal', `DATABASE_URL: ${app.databaseFile} cannot be opened for writing (EACCES)`]],
  )
})
