import test from 'ava'
import { type SendFile, type StandIn, startBotApi } from '../../bot-api/client.ts'
import type { Chat } from '../../bot-api/cloud/records.ts'
import { linkFor, linkIn, saidIn } from '../../helpers/chat.ts'
import { onPostgres } from '../../helpers/database-in.ts'
import type { App } from '../../helpers/start-app.ts'
import { startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

/** What it breaks is a trigger in SQLite's words. */
const ofSqlite = onPostgres ? test.skip : test

let api: StandIn
let app: App
const owned = new AsyncDisposableStack()
test.before(async () => {
  api = owned.use(await startBotApi())
  app = owned.use(await startApp({ api }))
  // As an administrator of the groups: it hears everything, and must hold its tongue by itself.
  await api.setPrivacy(false)
})
test.after.always(() => owned.disposeAsync())

let lastGroup = 6000
const newGroup = (more: Partial<Chat> = {}): Chat => ({
  id: -(1_000_000_000_000 + ++lastGroup),
  type: 'supergroup',
  title: 'Friends',
  ...more,
})

const [ann, bob] = [{ id: 6101 }, { id: 6102 }]

/** Waits until the bot has answered what came after all else, and returns what it has said in a group. */
async function allSaid(group: Chat): Promise<string[]> {
  const from = { id: ++lastUser }
  await api.sendText('/help', { from })
  await api.waitForMessage(from.id, (message) => message.from.is_bot)
  return await saidIn(api, group.id)
}

let lastUser = 6200

test.serial('what people say and send to each other is none of the bot’s business', async (t) => {
  const chat = newGroup()
  await api.sendText('good morning', { chat, from: ann })
  await api.sendFile({ chat, from: ann, size: 100 })
  await api.sendFile({ chat, from: ann, size: 100, caption: 'look at this' })
  for (const text of ['/help', '/start', '/stats', '/help@someone_elses_bot', '/link@someone_elses_bot'])
    await api.sendText(text, { chat, from: bob })
  await api.sendService({ new_chat_title: 'Best friends' }, { chat })
  const { message_id } = await api.sendText('typo', { chat, from: ann })
  await api.edit({ chat_id: chat.id, message_id, text: `/link ${api.mention}` })
  t.deepEqual(await allSaid(chat), [])
  t.deepEqual(app.sql('SELECT id FROM jobs WHERE chat_id = ?', chat.id), [])
})

for (const [title, ask] of [
  ['/link', () => '/link'],
  ['/link with the bot’s name', () => `/link${api.mention}`],
  ['a mention', () => `please, ${api.mention.toUpperCase()}!`],
] as const) {
  test.serial(`${title} as an answer to a file makes a link, which belongs to who asks`, async (t) => {
    const chat = newGroup()
    const file = await api.sendFile({ chat, from: ann, name: 'film.mkv', size: 100, seed: title })
    const asked = await api.sendText(ask(), { chat, from: bob, reply_to_message_id: file.message_id })
    const link = await linkFor(api, asked)
    t.regex(link.message.text ?? '', /^film\.mkv/)
    t.deepEqual(app.sql('SELECT user_id, message_id FROM links WHERE uuid = ?', link.uuid), [
      { user_id: bob.id, message_id: file.message_id },
    ])
  })
}

for (const [title, chat, ask] of [
  ['in a group, /link', () => newGroup(), () => '/link'],
  ['in a group, a mention', () => newGroup(), () => `${api.mention}, please`],
  ['in a private chat, /link', () => ({ id: bob.id, type: 'private' as const }), () => '/link'],
] as const) {
  test.serial(`${title} as an answer to a file of another chat makes a link of it`, async (t) => {
    const elsewhere = await api.sendFile({
      chat: newGroup(),
      from: ann,
      kind: 'photo',
      size: 100,
      seed: title,
    })
    const asked = await api.sendText(ask(), { chat: chat(), from: bob, external_reply_to: elsewhere })
    const link = await linkFor(api, asked)
    t.regex(link.message.text ?? '', /^photo_[\d_-]+\.jpg/)
    t.deepEqual(app.sql('SELECT user_id, chat_id, message_id FROM links WHERE uuid = ?', link.uuid), [
      { user_id: bob.id, chat_id: asked.chat_id, message_id: asked.message_id },
    ])
  })
}

test.serial('/link as an answer to mere words of another chat says what to do', async (t) => {
  const elsewhere = await api.sendText('hello', { chat: newGroup(), from: ann })
  const asked = await api.sendText('/link', { from: bob, external_reply_to: elsewhere })
  const { text } = await api.waitForMessage(bob.id, ({ reply_to_message_id: to }) => to === asked.message_id)
  t.regex(text ?? '', /^There is no file here/)
})

for (const [title, caption] of [
  ['the bot’s name', () => api.mention],
  ['/link', () => '/link'],
] as const) {
  test.serial(`a file with ${title} in its caption gets a link`, async (t) => {
    const chat = newGroup()
    await linkFor(api, await api.sendFile({ chat, from: ann, size: 100, seed: title, caption: caption() }))
    t.pass()
  })
}

for (const [title, at] of [
  ['first', 0],
  ['last', 3],
  ['middle', 1],
] as const) {
  test.serial(
    `an album whose ${title} file has /link in its caption gets a link for each file`,
    async (t) => {
      const chat = newGroup()
      const from = { id: ++lastUser }
      const album = []
      for (let n = 0; n < 4; n++) {
        const caption = n === at ? '/link' : undefined
        const file = { size: 100 + n, seed: `${title} ${n}`, media_group_id: title }
        album.push(await api.sendFile({ chat, from, ...file, ...(caption && { caption }) }))
        // Another album of the same time, of which nobody wants links.
        await api.sendFile({ chat, from: bob, size: 50, media_group_id: title })
      }
      const uuids = new Set<string>()
      for (const file of album) uuids.add((await linkFor(api, file)).uuid)
      t.is(uuids.size, 4)
      t.is((await allSaid(chat)).length, 4)
    },
  )
}

test.serial('/link as an answer to one file of an album makes a link of that one only', async (t) => {
  const chat = newGroup()
  const album = []
  for (const n of [0, 1, 2]) {
    album.push(
      await api.sendFile({
        chat,
        from: ann,
        size: 100 + n,
        seed: `answered ${n}`,
        media_group_id: 'answered',
      }),
    )
  }
  const [, answered] = album
  const asked = await api.sendText('/link', {
    chat,
    from: bob,
    reply_to_message_id: answered?.message_id ?? 0,
  })
  const { uuid } = await linkFor(api, asked)
  t.deepEqual(app.sql('SELECT message_id, size FROM links WHERE uuid = ?', uuid), [
    { message_id: answered?.message_id, size: 101 },
  ])
  // Handled after it.
  await linkFor(api, await api.sendFile({ chat, from: ann, size: 10, seed: 'later', caption: '/link' }))
  t.is((await allSaid(chat)).length, 2)
})

test.serial('two who ask for one file get a link each', async (t) => {
  const chat = newGroup()
  const file = await api.sendFile({ chat, from: ann, size: 100, seed: 'asked twice' })
  const about = { chat, reply_to_message_id: file.message_id }
  const links = []
  for (const from of [ann, bob])
    links.push(await linkFor(api, await api.sendText('/link', { ...about, from })))
  t.not(links[0]?.uuid, links[1]?.uuid)
})

test.serial('who asks without a file, or by name only, is told how', async (t) => {
  const chat = newGroup()
  await api.sendText('/link', { chat, from: ann })
  await api.sendText(`/help${api.mention}`, { chat, from: ann })
  await api.sendText(`/stats${api.mention}`, { chat, from: ann })
  const [link, help, stats] = await allSaid(chat).then(() =>
    until('three answers', async () => {
      const said = await saidIn(api, chat.id)
      return said.length >= 3 && said
    }),
  )
  t.regex(link ?? '', /^There is no file here.*reply to a message that has one with \/link/)
  t.regex(help ?? '', /^Reply to a file with \/link, or with @depot_\d+_bot/)
  t.regex(stats ?? '', /^I don't know \/stats\. \/help@depot_\d+_bot lists what I can do/)
})

const channel = { id: -1_000_000_006_999, type: 'channel' as const, title: 'News' }
const group = newGroup()

const nobodies: [title: string, message: SendFile, says: RegExp | undefined][] = [
  [
    'an anonymous administrator',
    { from: { id: 1087968824 }, sender_chat: group, chat: group },
    /^I cannot see who is asking/,
  ],
  [
    'someone in the name of a channel',
    { from: { id: 136817688 }, sender_chat: channel, chat: group },
    /^I cannot see who is asking/,
  ],
  [
    'the post of a linked channel',
    { from: { id: 777000 }, sender_chat: channel, is_automatic_forward: true, chat: group },
    undefined,
  ],
  ['another bot', { from: { id: 6198, is_bot: true }, chat: group }, undefined],
]

for (const [title, message, says] of nobodies) {
  test.serial(`${title} is no person: nothing is made for it`, async (t) => {
    const sent = await api.sendFile({ ...message, size: 100, caption: `/link ${api.mention}` })
    await allSaid(group)
    const answers = async () => {
      const { messages } = await api.chat(group.id)
      return messages.filter(
        ({ from, reply_to_message_id }) => from.id === api.botId && reply_to_message_id === sent.message_id,
      )
    }
    if (says) {
      const [answer] = await until('the answer', async () => (await answers()).length > 0 && answers())
      t.regex(answer?.text ?? '', says)
    }
    t.is((await answers()).length, says ? 1 : 0)
    t.deepEqual(app.sql('SELECT id FROM jobs WHERE user_id = ?', message.from?.id ?? 0), [])
  })
}

test.serial('answers stand in the topic of the question', async (t) => {
  const chat = newGroup({ is_forum: true })
  const at = { chat, from: ann, message_thread_id: 7 }
  const { message } = await linkFor(api, await api.sendFile({ ...at, size: 100, caption: api.mention }))
  t.is(message.message_thread_id, 7)
  const calls = (await api.calls('sendMessage')).filter(({ params }) => params.chat_id === chat.id)
  t.deepEqual(
    calls.map(({ params }) => params.message_thread_id),
    [7],
  )
})

test.serial('a topic that is gone loses no link: the group gets it', async (t) => {
  const chat = newGroup({ is_forum: true })
  await api.settings({ download_bytes_per_second: 0 })
  const error = { error_code: 400, description: 'Bad Request: message thread not found' }
  await api.fault({ method: 'sendMessage', chat_id: chat.id, error })
  const about = { chat, from: ann, message_thread_id: 8 }
  const { message_id } = await api.sendFile({ ...about, size: 100, seed: 'gone', caption: api.mention })
  await api.settings({ download_bytes_per_second: null })
  const message = await api.waitForMessage(chat.id, (message) => linkIn(message) !== undefined)
  t.is(message.message_thread_id, undefined)
  t.true(message.message_id > message_id)
})

test('a topic that is closed while its file comes loses no link: the group gets it', async (t) => {
  await using server = await startBotApi()
  await using _program = await startApp({ api: server })
  const chat = newGroup({ is_forum: true })
  await server.settings({ download_bytes_per_second: 0 })
  const file = { chat, from: ann, message_thread_id: 8, size: 100, caption: server.mention }
  await server.sendFile(file)
  await server.waitForMessage(chat.id, ({ from }) => from.id === server.botId)
  const error = { error_code: 400, description: 'Bad Request: TOPIC_CLOSED' }
  await server.fault({ method: 'editMessageText', chat_id: chat.id, error, count: 2 })
  await server.settings({ download_bytes_per_second: null })
  const message = await server.waitForMessage(chat.id, (message) => linkIn(message) !== undefined)
  t.is(message.message_thread_id, undefined)
})

test('a link that the closed topic General has refused arrives when someone writes in the group', async (t) => {
  await using server = await startBotApi()
  await using program = await startApp({ api: server })
  const chat = newGroup({ is_forum: true })
  await server.settings({ download_bytes_per_second: 0 })
  const sent = await server.sendFile({ chat, from: ann, size: 100, caption: server.mention })
  await server.waitForMessage(chat.id, ({ from }) => from.is_bot)
  const error = { error_code: 400, description: 'Bad Request: TOPIC_CLOSED' }
  await server.fault({ method: '*', chat_id: chat.id, error, count: -1 })
  await server.settings({ download_bytes_per_second: null })
  await until('the link is refused', () => {
    const refused = "SELECT 1 FROM messages WHERE failure IS NOT NULL AND text LIKE '%/download/%'"
    return program.sql(refused).length > 0
  })
  await server.clearFaults()
  await server.sendText('/link', { chat, from: bob })
  await linkFor(server, sent)
  t.pass()
})

ofSqlite(
  'who asks by /link hears when that cannot be handled; what others say goes on in silence',
  async (t) => {
    await using server = await startBotApi()
    await using program = await startApp({ api: server })
    await server.setPrivacy(false)
    const chat = newGroup()
    // Whatever is done with the messages of this group fails.
    program.sql(`CREATE TRIGGER trouble BEFORE UPDATE ON updates WHEN NEW.handled_at IS NOT NULL AND NEW.body = ''
    AND OLD.body LIKE '%${chat.id}%' BEGIN SELECT RAISE(ABORT, 'no'); END`)
    for (const text of ['hello', '/help', '/link']) await server.sendText(text, { chat, from: ann })
    await server.waitForMessage(chat.id, ({ from }) => from.id === server.botId, 60_000)
    const [text, ...others] = await saidIn(server, chat.id)
    t.regex(text ?? '', /^Something went wrong on the server/)
    t.deepEqual(others, [])
  },
)

test('a private bot says nothing under the files of strangers; who asks is told', async (t) => {
  await using server = await startBotApi()
  await using program = await startApp({ api: server, env: { ALLOWED_USERS: String(ann.id) } })
  await server.setPrivacy(false)
  const chat = newGroup()
  const file = await server.sendFile({ chat, from: bob, size: 100 })
  const linked = await server.sendText('/link', { chat, from: ann, reply_to_message_id: file.message_id })
  await linkFor(server, linked)
  t.is((await saidIn(server, chat.id)).length, 1)
  const asked = await server.sendText('/link', { chat, from: bob, reply_to_message_id: file.message_id })
  const { text } = await server.waitForMessage(
    chat.id,
    ({ reply_to_message_id }) => reply_to_message_id === asked.message_id,
  )
  t.regex(text ?? '', /was not taken: this bot is private\. .*6102$/)
  t.is(program.sql('SELECT id FROM jobs').length, 1)
})

test('with privacy mode, as bots have it at first, /link works as well', async (t) => {
  await using server = await startBotApi()
  await using _program = await startApp({ api: server })
  const chat = newGroup()
  const file = await server.sendFile({ chat, from: ann, size: 100 })
  const asked = await server.sendText('/link', { chat, from: ann, reply_to_message_id: file.message_id })
  await linkFor(server, asked)
  t.pass()
})
