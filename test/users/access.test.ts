import test from 'ava'
import { StartError } from '../../app/core/errors.ts'
import { readSettings } from '../../app/core/settings.ts'
import { Users, usersSettings } from '../../app/users/index.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'

const usersOf = (env: NodeJS.ProcessEnv) => new Users(readSettings({ users: usersSettings }, env).users)

test('anyone may use the bot while nobody is named', (t) => {
  t.true(usersOf({}).mayUse(1))
  t.true(usersOf({ ALLOWED_USERS: '', ADMIN_USERS: '7' }).mayUse(1))
})

test('with names, only those and the administrators may', (t) => {
  const users = usersOf({ ALLOWED_USERS: '10, 20 ,30', ADMIN_USERS: '7' })
  t.deepEqual(
    [10, 20, 30, 7, 1, 102].map((id) => users.mayUse(id)),
    [true, true, true, true, false, false],
  )
})

for (const value of ['ann', '1;2', '1,,2', '-5', '1.5']) {
  test(`ALLOWED_USERS=${value} is refused`, (t) => {
    t.throws(() => usersOf({ ALLOWED_USERS: value }), { instanceOf: StartError, message: /ALLOWED_USERS: / })
  })
}

test('a stranger is told their id, whatever he sends; nothing of theirs is fetched', async (t) => {
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
