import test from 'ava'
import { type Database, openDatabase } from '../../app/core/database/database.ts'
import { Outbox } from '../../app/outbox/index.ts'
import type { Depot } from '../helpers/depot.ts'
import { until } from '../helpers/until.ts'
import { callsFor, newChat, said, serveForAll, server, shown, startOutbox } from './start-outbox.ts'

serveForAll()

/** Another connection to the database of `sender`, as another role has it. */
async function otherRole({ databaseUrl, dir }: Depot): Promise<Database> {
  return await openDatabase({ DATABASE_URL: databaseUrl, STATE_DIRECTORY: dir }, [])
}

test('what another role writes is sent by the one that has the bot’s calls', async (t) => {
  await using sender = await startOutbox()
  await using database = await otherRole(sender.depot)
  const chatId = await newChat()
  const outbox = new Outbox({ query: database.query }, sender.depot.log)
  const botId = Number(server.token.split(':', 1)[0])
  const id = await outbox.post({ botId, chatId, text: 'from elsewhere' })
  t.deepEqual(await said(chatId, 1, 3000), ['from elsewhere'])
  await outbox.revise(id, { text: 'changed elsewhere' })
  await shown(t, chatId, 'changed elsewhere', 3000)
})

test('another role shows how far it is', async (t) => {
  await using sender = await startOutbox()
  await using database = await otherRole(sender.depot)
  const chatId = await newChat()
  const outbox = new Outbox(database, sender.depot.log, server.botId)
  await outbox.post({ key: 'film', chatId, text: 'received' })
  await until('it is recorded', async () => {
    const rows = await database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  outbox.showProgress('film', () => ({ chatId, text: '50 %' }))
  await shown(t, chatId, '50 %', 3000)
})

test('progress of another role never replaces a newer text', async (t) => {
  await using sender = await startOutbox()
  await using database = await otherRole(sender.depot)
  const chatId = await newChat()
  const outbox = new Outbox(database, sender.depot.log, server.botId)
  const id = await outbox.post({ chatId, text: 'received' })
  await until('it is recorded', async () => {
    const rows = await database.query('SELECT 1 FROM messages WHERE sent_revision = revision')
    return rows.length === 1
  })
  await database.query('UPDATE messages SET progress = $2 WHERE id = $1', id, '50 %')
  await outbox.revise(id, { text: 'the link' })
  await shown(t, chatId, 'the link', 3000)
  t.false((await callsFor(chatId)).some(({ text }) => text === '50 %'))
})

test('a sender sends nothing of other bots', async (t) => {
  await using sender = await startOutbox()
  const chatId = await newChat()
  await sender.outbox.post({ botId: server.botId + 1, chatId, text: 'of another bot' })
  await sender.outbox.post({ chatId, text: 'of this one' })
  t.deepEqual(await said(chatId, 1), ['of this one'])
})

test('a message without a bot is refused where it is written', async (t) => {
  await using sender = await startOutbox()
  const outbox = new Outbox(sender.depot.database, sender.depot.log)
  await t.throwsAsync(outbox.post({ chatId: 1, text: 'whose?' }), { message: /names no bot/ })
})
