import test from 'ava'
import { callApi } from './call-api.ts'
import { type StandIn, startBotApi } from './client.ts'

let server: StandIn

test.before(async () => {
  server = await startBotApi()
  await callApi(server, 'getMe')
})
test.after.always(() => server?.stop())

let lastGroup = 1000
const newGroup = (more: object = {}) => ({
  id: -(1_000_000_000_000 + ++lastGroup),
  type: 'supergroup' as const,
  title: 'Friends',
  ...more,
})

/** What the bot has heard since the last time. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever an update holds
async function heard(): Promise<Record<string, any>[]> {
  const { result } = await callApi(server, 'getUpdates', { timeout: 0 })
  const last = result.at(-1)
  if (last) await callApi(server, 'getUpdates', { offset: last.update_id + 1, timeout: 0 })
  return result
}

const send = (params: object) => callApi(server, 'sendMessage', { text: 'x', ...params })

test.serial(
  'with privacy mode a bot hears commands, answers to it, mentions and service messages',
  async (t) => {
    const chat = newGroup()
    await server.sendText('good morning', { chat })
    const { result } = await send({ chat_id: chat.id, text: 'hello' })
    await server.sendText('/link', { chat })
    await server.sendText(`/link${server.mention}`, { chat })
    await server.sendText('/link@other_bot', { chat })
    await server.sendText('thank you', { chat, reply_to_message_id: result.message_id })
    await server.sendText(`hey ${server.mention}`, { chat })
    await server.sendFile({ chat, size: 10 })
    await server.sendFile({ chat, size: 10, caption: `${server.mention} please` })
    await server.sendService({ new_chat_title: 'Best friends' }, { chat })
    const texts = (await heard()).map(
      ({ message }) => message?.text ?? message?.caption ?? message?.new_chat_title,
    )
    t.deepEqual(texts, [
      '/link',
      `/link${server.mention}`,
      'thank you',
      `hey ${server.mention}`,
      `${server.mention} please`,
      'Best friends',
    ])
  },
)

test.serial('without privacy mode it hears everything', async (t) => {
  const chat = newGroup()
  await server.setPrivacy(false)
  t.true((await callApi(server, 'getMe')).result.can_read_all_group_messages)
  await server.sendText('good morning', { chat })
  t.is((await heard()).length, 1)
  await server.setPrivacy(true)
})

test.serial('an answer carries the message that it answers, and its topic', async (t) => {
  const chat = newGroup({ is_forum: true })
  const sent = await server.sendFile({ chat, size: 10, name: 'a.bin', message_thread_id: 7 })
  await server.sendText('/link', { chat, message_thread_id: 7, reply_to_message_id: sent.message_id })
  const [update] = await heard()
  t.like(update?.message, {
    message_thread_id: 7,
    is_topic_message: true,
    reply_to_message: { message_id: sent.message_id, document: { file_name: 'a.bin' } },
  })
})

test.serial(
  'a message goes into the topic that it names; there must be one, and it must be open',
  async (t) => {
    const chat = newGroup({ is_forum: true })
    const { message_id } = await server.sendText('hi', { chat, message_thread_id: 5 })
    const into = (message_thread_id: number) => send({ chat_id: chat.id, message_thread_id })
    t.is((await into(5)).result.message_thread_id, 5)
    t.like(await into(6), { status: 400, description: 'Bad Request: message thread not found' })
    const answer = await send({ chat_id: chat.id, reply_parameters: { message_id } })
    t.is(answer.result.message_thread_id, 5, 'an answer stands where its question does')
    await server.setTopic(chat.id, 5, 'closed')
    t.like(await into(5), { status: 400, description: 'Bad Request: TOPIC_CLOSED' })
    await server.setTopic(chat.id, 5, 'deleted')
    t.like(await into(5), { status: 400, description: 'Bad Request: message thread not found' })
  },
)

test.serial('nobody in particular has an account of Telegram itself', async (t) => {
  const chat = newGroup()
  const channel = { id: -1_000_000_000_001, type: 'channel' as const, title: 'News' }
  await server.setPrivacy(false)
  await server.sendText('as the group', { chat, from: { id: 1087968824 }, sender_chat: chat })
  await server.sendText('as a channel', { chat, from: { id: 136817688 }, sender_chat: channel })
  await server.sendFile({ chat, from: { id: 777000 }, sender_chat: channel, is_automatic_forward: true })
  await server.sendText('as a bot', { chat, from: { id: 4242, is_bot: true } })
  const senders = (await heard()).map(({ message }) => message)
  await server.setPrivacy(true)
  t.deepEqual(
    senders.map(({ from, sender_chat }) => [from?.id, from?.is_bot, sender_chat?.id]),
    [
      [1087968824, true, chat.id],
      [136817688, true, channel.id],
      [777000, false, channel.id],
      [4242, true, undefined],
    ],
  )
  t.true(senders[2]?.is_automatic_forward)
})

for (const [status, code, description] of [
  ['kicked', 403, 'Forbidden: bot was kicked from the supergroup chat'],
  ['left', 403, 'Forbidden: bot is not a member of the supergroup chat'],
  ['restricted', 400, 'Bad Request: not enough rights to send text messages to the chat'],
] as const) {
  test.serial(`a bot that is ${status} cannot write, and hears of that and of its return`, async (t) => {
    const chat = newGroup()
    await server.sendText('/start', { chat })
    await heard()
    await server.setMembership(chat.id, status)
    t.like(await send({ chat_id: chat.id }), { status: code, description })
    await server.setMembership(chat.id, 'member')
    t.true((await send({ chat_id: chat.id })).ok)
    const changes = (await heard()).map(({ my_chat_member: of }) => [
      of.chat.id,
      of.old_chat_member.status,
      of.new_chat_member.status,
    ])
    t.deepEqual(changes, [
      [chat.id, 'member', status],
      [chat.id, status, 'member'],
    ])
  })
}

test.serial('a group that has become a supergroup refuses with its new id', async (t) => {
  const chat = { id: -4711, type: 'group' as const, title: 'Friends' }
  await server.sendText('/start', { chat })
  await heard()
  await server.migrate(chat.id, -1_000_000_004_711)
  const answer = await send({ chat_id: chat.id })
  t.like(answer, {
    status: 400,
    description: 'Bad Request: group chat was upgraded to a supergroup chat',
    parameters: { migrate_to_chat_id: -1_000_000_004_711 },
  })
  t.true((await send({ chat_id: -1_000_000_004_711 })).ok)
  const told = (await heard()).map(({ message }) => message)
  t.like(told[0], { chat: { id: chat.id }, migrate_to_chat_id: -1_000_000_004_711 })
  t.like(told[1], { chat: { id: -1_000_000_004_711, type: 'supergroup' }, migrate_from_chat_id: chat.id })
})

test.serial('file names become links where they do not stand in <code>', async (t) => {
  await server.sendText('hi')
  const marks = async (text: string) => {
    const { result } = await send({ chat_id: 1001, text, parse_mode: 'HTML' })
    return ((result.entities ?? []) as { type: string }[]).map(({ type }) => type)
  }
  t.deepEqual(await marks('<b>README.md</b>'), ['bold', 'url'])
  t.deepEqual(await marks('<code>README.md</code> and <code>@someone #1a /x</code>'), ['code', 'code'])
  t.deepEqual(await marks('archive.zip holiday.jpg'), ['url'])
  t.deepEqual(await marks('https://files.example.org/download/1'), ['url'])
  t.deepEqual(await marks('@someone #tag /help'), ['mention', 'hashtag', 'bot_command'])
})

test.serial('who says too much is told to wait, in that chat alone', async (t) => {
  const chat = newGroup()
  await server.sendText('/start', { chat })
  await server.settings({ flood_limits: true })
  const statuses = []
  for (let i = 0; i < 21; i++) statuses.push((await send({ chat_id: chat.id, text: `${i}` })).status)
  t.deepEqual(statuses, [...Array.from({ length: 20 }, () => 200), 429])
  t.regex((await send({ chat_id: chat.id })).description ?? '', /^Too Many Requests: retry after \d+$/)
  t.true((await send({ chat_id: 1001 })).ok)
  await server.settings({ flood_limits: false })
})

test.serial('an answer to a message of another chat shows whose it was and what it carried', async (t) => {
  const [from, to] = [newGroup({ title: 'News' }), newGroup()]
  const file = await server.sendFile({ chat: from, name: 'film.mkv', size: 10 })
  const external_reply_to = { chat_id: file.chat_id, message_id: file.message_id }
  await heard()
  await server.sendText('/link', { chat: to, external_reply_to })
  const [update] = await heard()
  t.is(update?.message.reply_to_message, undefined)
  t.like(update?.message.external_reply, {
    chat: { id: from.id, title: 'News' },
    message_id: file.message_id,
    document: { file_name: 'film.mkv', file_size: 10, file_unique_id: file.file_unique_id },
  })
  t.like(update?.message.external_reply.origin, { type: 'user', sender_user: { id: 1001 } })
  const own = await server.sendFile({ size: 10 })
  await heard()
  await server.sendText('/link', { chat: to, external_reply_to: own })
  const { external_reply: told } = (await heard())[0]?.message ?? {}
  t.truthy(told.document)
  t.is(told.chat, undefined, 'a private chat is not shown')
})
