import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { go, heldFile, linkFor } from '../helpers/chat.ts'
import { disagreements } from '../helpers/consistency.ts'
import { type App, startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

const [ann, ben] = [{ id: 424201 }, { id: 424202 }]
const group = { id: -1001234500001, type: 'supergroup' as const, title: 'Group' }

/** The rows in which a number stands, or a text in the middle of another, as `table: row`. */
function rowsWith(app: App, needle: number | string): string[] {
  const tables = app.sql<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
  return tables.flatMap(({ name }) =>
    app.sql(`SELECT * FROM "${name}"`).flatMap((row) => {
      const text = JSON.stringify(row)
      return text.includes(String(needle)) ? [`${name}: ${text}`] : []
    }),
  )
}

/** What a command that must fail says. */
async function refusal(t: ExecutionContext, app: App, words: string): Promise<string> {
  const error = await t.throwsAsync<Error & { stderr: string; code: number }>(app.command(words))
  t.is(error?.code, 1)
  return error?.stderr ?? ''
}

test('what is kept of a person can be had, and then removed with their files, and of nobody else', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const same = { seed: 'same', size: 1000, kind: 'document' as const }
  const ofAnn = await linkFor(api, await api.sendFile({ ...same, name: 'from-ann.bin', from: ann }))
  const ofBen = await linkFor(api, await api.sendFile({ ...same, name: 'from-ben.bin', from: ben }))
  const own = await linkFor(api, await api.sendFile({ name: 'own-of-ann.bin', from: ann }))
  await until('the last messages to be there', () => {
    const [row] = app.sql<{ n: number }>('SELECT COUNT(*) AS n FROM messages WHERE sent_revision < revision')
    return row?.n === 0
  })
  app.sql('INSERT INTO bot_owner (id, user_id, claimed_at) VALUES (1, ?, 1)', ann.id)
  app.sql(
    'INSERT INTO updates (bot_id, update_id, body, received_at, handled_at) VALUES (1, 1, ?, 1, 1)',
    JSON.stringify({ update_id: 1, message: { from: ann, text: 'put aside' } }),
  )

  const { body } = await app.get(ofBen.path)
  const kept = await app.command(`export-user ${ann.id}`)
  const { links, jobs, outbox, telegram, users } = JSON.parse(kept)
  t.deepEqual(
    links.map(({ name }: { name: string }) => name),
    ['from-ann.bin', 'own-of-ann.bin'],
  )
  t.is(jobs.jobs.length, 2)
  t.true(jobs.events.length > 10)
  t.is(outbox.messages.length, 2)
  t.is(telegram[0].message.text, 'put aside')
  t.is(users.length, 1)
  t.false(kept.includes('from-ben') || kept.includes(String(ben.id)))

  t.is(
    await refusal(t, app, `erase-user ${ann.id}`),
    `erase-user removes the links of ${ann.id}, their files and all that is recorded of them, for good; to do that: ` +
      `erase-user ${ann.id} --yes\n`,
  )
  t.is((await app.get(ofAnn.path)).status, 200)

  t.regex(
    await app.command(`erase-user ${ann.id} --yes`),
    new RegExp(
      `^Removed of ${ann.id}: .*the texts of 2 messages.*, 2 links with .*, 2 jobs .*ownership of the bot.*\\.\n$`,
    ),
  )
  for (const path of [ofAnn.path, own.path]) t.is((await app.get(path)).status, 404)
  t.deepEqual((await app.get(ofBen.path)).body, body)
  for (const needle of [ann.id, 'from-ann', 'own-of-ann', ofAnn.uuid, own.uuid]) {
    t.deepEqual(rowsWith(app, needle), [], String(needle))
  }
  t.deepEqual(await app.stored(), [ofBen.uuid])
  t.deepEqual(await disagreements(app), [])
  t.is(await app.command(`erase-user ${ann.id} --yes`), `Nothing is kept of ${ann.id}.\n`)

  // Ids that were given are not given again.
  const next = await linkFor(api, await api.sendFile({ name: 'next.bin', from: ann }))
  t.is((await app.get(next.path)).status, 200)
})

test('a file that is being fetched is left, and told; what was said of it in a group goes as well', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const { message_id } = await api.sendFile({ name: 'of-the-group.bin', from: ann, chat: group })
  const asked = await api.sendText('/link', { from: ann, chat: group, reply_to_message_id: message_id })
  const { uuid } = await linkFor(api, asked)
  await heldFile(api)
  await until('the transfer to run', () => app.sql("SELECT 1 FROM jobs WHERE status = 'RUNNING'").length > 0)
  const [row] = app.sql<{ user_id: number }>("SELECT user_id FROM jobs WHERE status = 'RUNNING'")
  const said = await app.command(`erase-user ${row?.user_id} --yes`)
  t.regex(said, /\n1 job of theirs runs now: repeat this in a while\.\n$/)
  t.regex(await app.command(`erase-user ${ann.id} --yes`), /the texts of 1 message about their files/)
  t.deepEqual(rowsWith(app, uuid), [])
  t.deepEqual(rowsWith(app, ann.id), [])
  await go(api)
  await until(
    'the transfer to end',
    () => app.sql("SELECT 1 FROM jobs WHERE status = 'RUNNING'").length === 0,
  )
  t.regex(await app.command(`erase-user ${row?.user_id} --yes`), /1 link/)
  t.deepEqual(await app.stored(), [])
})

test('a file that was set aside is removed from there, and nothing is removed while the store is away', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const { uuid } = await linkFor(api, await api.sendFile({ name: 'a.bin', from: ann }))
  const marker = join(app.storage, '.tgdepot-store')
  const id = await readFile(marker, 'utf8')
  await app.kill('SIGTERM')
  app.sql("UPDATE links SET uuid = 'x' || uuid")
  app.sql("UPDATE jobs SET subject = 'x' || subject, payload = '{}'")
  await app.command('set-aside')
  t.deepEqual(await app.setAside(), [uuid])
  app.sql('UPDATE links SET uuid = SUBSTR(uuid, 2)')
  await writeFile(marker, 'another')
  t.regex(
    await refusal(t, app, `erase-user ${ann.id} --yes`),
    /is not there, or not the store of this database/,
  )
  t.is(app.sql('SELECT 1 FROM links').length, 1)
  await writeFile(marker, id)
  t.regex(await app.command(`erase-user ${ann.id} --yes`), /1 link/)
  t.deepEqual(await app.setAside(), [])
})

test('a wrong argument of a command is one sentence, and code 1', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, roles: ['bot'] })
  t.is(await refusal(t, app, 'export-user'), 'export-user takes a Telegram user id, a whole number\n')
  t.is(await refusal(t, app, 'export-user ann'), 'export-user takes a Telegram user id, a whole number\n')
  t.is(await refusal(t, app, 'export-user 1 2'), 'export-user takes one argument, a Telegram user id\n')
  t.is(await refusal(t, app, 'erase-user 1 2 --yes'), 'erase-user takes a Telegram user id and --yes\n')
  t.is(await refusal(t, app, 'owner now'), 'owner takes no arguments\n')
})
