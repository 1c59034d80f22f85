import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { go, heldFile, linkFor, linkIn, saidIn } from '../helpers/chat.ts'
import { type Roles, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const open = ({ bot }: Roles) =>
  bot.sql('SELECT id FROM messages WHERE sent_revision < revision AND failure IS NULL').length
const allSent = (roles: Roles) => until('nothing waits to be sent', () => open(roles) === 0)

test.serial('"message is not modified" is success', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const sent = await heldFile(api)
  // The edit is carried out, and its answer lost: the next attempt changes nothing.
  await api.fault({ method: 'editMessageText', cut: true, after: true })
  await go(api)
  await linkFor(api, sent)
  await allSent(roles)
  const edits = (await api.calls('editMessageText')).map(({ status }) => status)
  t.deepEqual(edits, [0, 400])
  t.is((await saidIn(api, sent.chat_id)).length, 1)
})

test.serial('a message that is gone is sent anew, as an answer to the same file', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const sent = await heldFile(api)
  const error = { error_code: 400, description: 'Bad Request: message to edit not found' }
  await api.fault({ method: 'editMessageText', error })
  await go(api)
  const link = await linkFor(api, sent)
  await allSent(roles)
  t.is(link.message.reply_to_message_id, sent.message_id)
  t.is((await api.calls('sendMessage')).length, 2)
})

test.serial('a message that its user has deleted is sent anew, however Telegram says so', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const sent = await heldFile(api)
  const error = { error_code: 400, description: 'Bad Request: MESSAGE_ID_INVALID' }
  await api.fault({ method: 'editMessageText', error })
  await go(api)
  await linkFor(api, sent)
  await allSent(roles)
  t.is((await api.calls('sendMessage')).length, 2)
})

test.serial('a user who has blocked the bot ends the message, and nothing is tried again', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const sent = await heldFile(api)
  await api.block(sent.chat_id)
  await go(api)
  await until('it has ended', () => roles.bot.sql('SELECT id FROM messages WHERE failure IS NOT NULL').length)
  const calls = (await api.calls('editMessageText')).length
  t.is(calls, 1)
  const other = await api.sendFile({ from: { id: 77 } })
  await linkFor(api, other)
  t.is(
    (await api.calls('editMessageText', 0)).filter(({ params }) => params.chat_id === sent.chat_id).length,
    1,
  )
})

test.serial('a 500 and a page of a proxy do not lose a message, nor send it twice', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const error = { error_code: 500, description: 'Internal Server Error: restart' }
  await api.fault({ method: 'sendMessage', error })
  await api.fault({ method: 'sendMessage', body: '<html>Bad gateway</html>', status: 502 })
  const sent = await api.sendFile()
  await linkFor(api, sent, 30_000)
  await allSent(roles)
  t.is((await saidIn(api, sent.chat_id)).length, 1)
})

for (const kind of ['cut', 'body'] as const) {
  test.serial(
    `a message that Telegram took, its answer lost by a ${kind}, is found and not sent again`,
    async (t) => {
      await using api = await startBotApi()
      await using roles = await startRoles(api)
      const loss = kind === 'cut' ? { cut: true as const } : { body: '<html>', status: 502 }
      await api.fault({ method: 'sendMessage', ...loss, after: true })
      const sent = await api.sendFile()
      await linkFor(api, sent, 30_000)
      await allSent(roles)
      t.is((await api.calls('sendMessage')).length, 1)
      t.is((await saidIn(api, sent.chat_id)).length, 1)
    },
  )
}

test.serial('a kill between Telegram’s yes and ours does not send a message twice', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await api.fault({ method: 'sendMessage', hang: true, after: true })
  const sent = await api.sendFile()
  const other = await api.sendFile({ from: { id: 77 }, seed: 'other' })
  await linkFor(api, other)
  await roles.bot.restart('SIGKILL')
  await allSent(roles)
  t.is((await saidIn(api, sent.chat_id)).length, 1)
  t.is((await saidIn(api, other.chat_id)).length, 1)
})

test.serial('looking for a message that may have been sent changes no other one', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const group = { id: -100_500, type: 'supergroup' as const, title: 'Group' }
  const asked = { chat: group, caption: api.mention }
  const first = await api.sendFile({ ...asked, seed: 1 })
  const later = [2, 3].map((seed) => api.sendFile({ ...asked, seed }))
  await linkFor(api, first, 60_000)
  for (const sent of await Promise.all(later)) await linkFor(api, sent, 60_000)
  await api.fault({ method: 'sendMessage', cut: true })
  const last = await api.sendFile({ ...asked, seed: 4 })
  await linkFor(api, last, 60_000)
  await allSent(roles)
  const { messages } = await api.chat(group.id)
  const answers = messages.filter(({ from }) => from.is_bot)
  t.is(new Set(answers.map((message) => linkIn(message)?.uuid)).size, 4)
  t.is(new Set(answers.map((message) => message.reply_to_message_id)).size, 4)
})

test.serial('a flood wait holds over a restart', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const error = { error_code: 429, description: 'Too Many Requests: retry after 12', retry_after: 12 }
  const since = Date.now()
  await api.fault({ method: 'sendMessage', error })
  const sent = await api.sendFile()
  await until('it was refused', async () =>
    (await api.calls('sendMessage')).some((call) => call.status === 429),
  )
  await until(
    'the refusal is noted',
    () => roles.bot.sql('SELECT id FROM messages WHERE attempts = 1').length,
  )
  await roles.bot.restart('SIGKILL')
  await linkFor(api, sent, 40_000)
  const [refused, taken] = await api.calls('sendMessage', since)
  t.true((taken?.at ?? 0) - (refused?.at ?? 0) >= 12_000)
})

test.serial('a restart in between loses no message and keeps the order of a chat', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await api.fault({ method: 'sendMessage', hang: true, count: -1 })
  const asked = []
  for (let file = 0; file < 6; file++) asked.push(await api.sendFile({ seed: file }))
  await until('all are rows', () => roles.bot.sql('SELECT id FROM messages').length === 6)
  await roles.bot.kill('SIGKILL')
  await api.clearFaults()
  await roles.bot.start()
  for (const sent of asked) await linkFor(api, sent, 40_000)
  const { messages } = await api.chat(1001)
  const order = messages.filter(({ from }) => from.is_bot).map((message) => message.reply_to_message_id)
  t.deepEqual(
    order,
    asked.map(({ message_id }) => message_id),
  )
})
