import test from 'ava'
import { openDatabase } from '../../app/core/database/database.ts'
import { StartError } from '../../app/core/errors.ts'
import { readSettings } from '../../app/core/settings.ts'
import { Ownership, Users, usersSettings } from '../../app/users/index.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { allMigrations, openRecords } from '../helpers/records.ts'
import { startApp } from '../helpers/start-app.ts'

const settingsOf = (env: NodeJS.ProcessEnv) => readSettings({ users: usersSettings }, env).users

const CLAIM_CODE = 'a-code-of-22-letters-x'

/** Of the given users those who may use a bot with these settings, which `claimedBy` may have claimed. */
async function admitted(env: NodeJS.ProcessEnv, ids: number[], claimedBy?: number): Promise<number[]> {
  await using records = await openRecords()
  const users = new Users(settingsOf(env), records.database)
  if (claimedBy !== undefined) await users.claim(claimedBy)
  const may = await Promise.all(ids.map((id) => users.mayUse(id)))
  return ids.filter((_, at) => may[at])
}

test('anyone may use the bot while nobody is named', async (t) => {
  t.deepEqual(await admitted({}, [1]), [1])
  t.deepEqual(await admitted({ ALLOWED_USERS: '', ADMIN_USERS: '7' }, [1]), [1])
})

test('with names, only those and the administrators may', async (t) => {
  const env = { ALLOWED_USERS: '10, 20 ,30', ADMIN_USERS: '7' }
  t.deepEqual(await admitted(env, [10, 20, 30, 7, 1, 102]), [10, 20, 30, 7])
})

test('with a claim code nobody may but who is named, and the owner', async (t) => {
  t.deepEqual(await admitted({ CLAIM_CODE }, [1, 5]), [])
  t.deepEqual(await admitted({ CLAIM_CODE }, [1, 5], 5), [5])
  const env = { CLAIM_CODE, ALLOWED_USERS: '10', ADMIN_USERS: '7' }
  t.deepEqual(await admitted(env, [1, 5, 7, 10]), [7, 10])
  t.deepEqual(await admitted(env, [1, 5, 7, 10], 5), [5, 7, 10])
})

test('without a claim code an earlier claim counts for nothing', async (t) => {
  t.deepEqual(await admitted({ ALLOWED_USERS: '10' }, [5, 10], 5), [10])
  t.deepEqual(await admitted({}, [1, 5], 5), [1, 5])
})

test('the owner is an administrator, once', async (t) => {
  await using records = await openRecords()
  const users = new Users(settingsOf({ CLAIM_CODE, ADMIN_USERS: '7,8' }), records.database)
  t.deepEqual(await users.administrators(), [7, 8])
  await users.claim(5)
  t.deepEqual(await users.administrators(), [7, 8, 5])
  const without = new Users(settingsOf({ ADMIN_USERS: '7,8' }), records.database)
  t.deepEqual(await without.administrators(), [7, 8])
  const also = new Users(settingsOf({ CLAIM_CODE, ADMIN_USERS: '5' }), records.database)
  t.deepEqual(await also.administrators(), [5])
})

test('of many claims at the same moment, by several processes, one succeeds', async (t) => {
  await using records = await openRecords()
  await using other = await openDatabase({ DATABASE_URL: records.databaseUrl }, allMigrations)
  for (let round = 0; round < 10; round++) {
    const claims = Array.from({ length: 20 }, (_, id) => {
      const database = id % 2 === 0 ? records.database : other
      return new Ownership(database).claim(id)
    })
    const won = (await Promise.all(claims)).flatMap((isOwner, id) => (isOwner ? [id] : []))
    t.deepEqual(won, [await new Ownership(other).find()])
    await new Ownership(records.database).forget()
  }
})

for (const value of ['ann', '1;2', '1,,2', '-5', '1.5']) {
  test(`ALLOWED_USERS=${value} is refused`, (t) => {
    t.throws(() => settingsOf({ ALLOWED_USERS: value }), {
      instanceOf: StartError,
      message: /ALLOWED_USERS: /,
    })
  })
}

for (const value of [
  'short',
  'x'.repeat(65),
  'with blanks in between',
  'übermäßig-lange-zeichen',
  'a+b/c==============',
]) {
  test(`CLAIM_CODE=${value}, which no link can carry or anyone can guess, is refused and not repeated`, (t) => {
    const error = t.throws(() => settingsOf({ CLAIM_CODE: value }), {
      instanceOf: StartError,
      message: /^CLAIM_CODE: /,
    })
    t.false(error.message.includes(value))
  })
}

test('a stranger is told their id, whatever they send; nothing of theirs is fetched', async (t) => {
  await using api = await startBotApi()
  await using _app = await startApp({ api, env: { ALLOWED_USERS: '2001', ADMIN_USERS: '2002' } })
  const stranger = { id: 3001 }
  await api.sendText('/start', { from: stranger })
  await api.sendText('hello', { from: stranger })
  const { message_id } = await api.sendFile({ from: stranger })
  await api.waitForMessage(3001, ({ reply_to_message_id }) => reply_to_message_id === message_id)
  const said = await saidIn(api, 3001)
  t.is(said.length, 3)
  for (const text of said) t.regex(text, /private.*3001$/)
  for (const id of [2001, 2002]) t.truthy(await linkFor(api, await api.sendFile({ from: { id } })))
  t.is((await api.calls('getFile')).length, 2)
})
