import { truncate } from 'node:fs/promises'
import test from 'ava'
import type { BotApi } from '../../app/core/bot-api.ts'
import type { Database } from '../../app/core/database/database.ts'
import { type Content, type NewMessage, Outbox, OutboxSender } from '../../app/outbox/index.ts'
import { TelegramApi } from '../../app/telegram/api.ts'
import { saidIn } from '../helpers/chat.ts'
import { until } from '../helpers/until.ts'
import {
  allSent,
  endsOf,
  messagesIn,
  methodsFor,
  newFile,
  newGroup,
  type OutboxFixture,
  refusal,
  serveForAll,
  server,
  startOutbox,
} from './start-outbox.ts'

serveForAll()

/** A process that dies when Telegram has carried out its n-th call that sends: nothing reaches the database any more. */
function dying(api: BotApi, database: Database, nth: number) {
  let sent = 0
  let isDead = false
  const fail = () => {
    if (isDead) throw new Error('this process is dead')
  }
  return {
    api: {
      botId: api.botId,
      async call<T>(method: string, ...rest: [object?, object?]): Promise<T> {
        fail()
        const answer = await api.call<T>(method, ...rest)
        if (method.startsWith('send') && ++sent === nth) isDead = true
        return answer
      },
    },
    database: {
      ...database,
      query: ((sql, ...parameters) => {
        fail()
        return database.query(sql, ...parameters)
      }) as Database['query'],
      transaction: ((work) => {
        fail()
        return database.transaction(work)
      }) as Database['transaction'],
    },
    isDead: () => isDead,
  }
}

/** Sends a message in a process that dies after its n-th call that sends, and then in another one. */
async function sendThroughCrash(
  fixture: OutboxFixture,
  message: NewMessage,
  { nth = 1, heard, meanwhile }: { nth?: number; heard: number; meanwhile?: () => Promise<unknown> },
): Promise<void> {
  const { database, log } = fixture.depot
  await fixture.outboxSender[Symbol.asyncDispose]()
  const api = new TelegramApi(server.url, server.token)
  const dead = dying(api, database, nth)
  const outbox = new Outbox(database, log, server.botId)
  const sender = new OutboxSender({ ...dead, outbox, log })
  sender.heard(message.chatId, heard)
  sender.start()
  await outbox.post(message)
  await until('the crash', () => dead.isDead())
  await sender[Symbol.asyncDispose]()
  api.close()
  await meanwhile?.()
  await fixture.restart()
}

/** A user's chat, or a group. */
async function chatOf(isGroup: boolean): Promise<{ chatId: number; heard: number }> {
  const group = { id: -newGroup(), type: 'supergroup' as const, title: 'Group' }
  const { chat_id, message_id } = await server.sendText('/hi', {
    from: { id: 8000 + newGroup() },
    ...(isGroup && { chat: group }),
  })
  return { chatId: chat_id, heard: message_id }
}

const media = (path: string) => ({ type: 'video', file: { path }, caption: { html: 'film' } }) as const

for (const [place, isGroup] of [
  ['a private chat', false],
  ['a group', true],
] as const) {
  // Alone, since all private chats of a bot share one sequence of ids.
  test.serial(`a text that was sent just before a crash is not sent twice in ${place}`, async (t) => {
    await using fixture = await startOutbox()
    const { chatId, heard } = await chatOf(isGroup)
    await sendThroughCrash(fixture, { chatId, text: 'once' }, { heard })
    await allSent(fixture)
    t.deepEqual(await saidIn(server, chatId), ['once'])
  })

  test.serial(`a file that was sent just before a crash is not sent twice in ${place}`, async (t) => {
    await using fixture = await startOutbox()
    const { chatId, heard } = await chatOf(isGroup)
    const path = await newFile(fixture, 'film.mp4')
    await sendThroughCrash(fixture, { chatId, content: media(path) }, { heard })
    await allSent(fixture)
    await messagesIn(chatId, 1)
    t.is((await methodsFor(chatId)).filter((method) => method === 'sendVideo').length, 1)
  })

  test.serial(`an album that was sent just before a crash is not sent twice in ${place}`, async (t) => {
    await using fixture = await startOutbox()
    const { chatId, heard } = await chatOf(isGroup)
    const path = await newFile(fixture, 'film.mp4')
    const content: Content = { type: 'album', media: [media(path), media(path), media(path)] }
    await sendThroughCrash(fixture, { key: 'album', chatId, content }, { heard })
    const ends = endsOf(fixture)
    await allSent(fixture, 20_000)
    const messages = await messagesIn(chatId, 3)
    await fixture.outbox.withdraw('album')
    await allSent(fixture)
    t.deepEqual(await saidIn(server, chatId), [], 'all of its ids are known')
    t.is(new Set(messages.map(({ media_group_id }) => media_group_id)).size, 1)
    t.deepEqual(ends, [])
  })

  for (const nth of [1, 2, 3]) {
    test.serial(`of three parts none is sent twice after a crash with part ${nth} in ${place}`, async (t) => {
      await using fixture = await startOutbox()
      const { chatId, heard } = await chatOf(isGroup)
      const parts = ['one', 'two', 'three'].map((html) => ({ html }))
      await sendThroughCrash(fixture, { chatId, content: { type: 'parts', parts } }, { heard, nth })
      await allSent(fixture, 20_000)
      t.deepEqual(await saidIn(server, chatId), ['one', 'two', 'three'])
    })
  }
}

test.serial('a text that grew in a group has one message after a crash, with its last form', async (t) => {
  await using fixture = await startOutbox()
  const { chatId, heard } = await chatOf(true)
  const { database, log } = fixture.depot
  await fixture.outboxSender[Symbol.asyncDispose]()
  const api = new TelegramApi(server.url, server.token)
  const dead = dying(api, database, 1)
  const outbox = new Outbox(database, log, server.botId)
  const sender = new OutboxSender({ ...dead, outbox, log })
  sender.heard(chatId, heard)
  sender.start()
  await outbox.grow({ key: 'answer', chatId, text: 'so far' })
  await until('the crash', () => dead.isDead())
  await sender[Symbol.asyncDispose]()
  api.close()
  await fixture.outbox.post({ key: 'answer', chatId, text: 'the whole answer' })
  await fixture.restart()
  await allSent(fixture)
  t.deepEqual(await saidIn(server, chatId), ['the whole answer'])
})

test.serial('the last form of a text that grew as a draft is sent once through a crash', async (t) => {
  await using fixture = await startOutbox()
  await server.settings({ drafts: true })
  const { chatId, heard } = await chatOf(false)
  await fixture.outbox.grow({ key: 'answer', chatId, text: 'so far' })
  await until('a draft', async () => (await server.chat(chatId)).drafts.length === 1)
  await allSent(fixture)
  await sendThroughCrash(fixture, { key: 'answer', chatId, text: 'the whole answer' }, { heard })
  await allSent(fixture)
  t.deepEqual(await saidIn(server, chatId), ['the whole answer'])
})

test.serial('a file behind messages of others is found by its caption after a crash', async (t) => {
  await using fixture = await startOutbox()
  const { chatId, heard } = await chatOf(true)
  const path = await newFile(fixture, 'film.mp4')
  await sendThroughCrash(
    fixture,
    { chatId, content: media(path) },
    {
      heard,
      meanwhile: () =>
        server.sendText('/others', { chat: { id: chatId, type: 'supergroup', title: 'Group' } }),
    },
  )
  await allSent(fixture)
  await messagesIn(chatId, 1)
  t.pass()
})

test.serial('what a crash kept from being sent is sent', async (t) => {
  await using fixture = await startOutbox()
  const { chatId, heard } = await chatOf(true)
  const path = await newFile(fixture, 'film.mp4')
  fixture.outboxSender.heard(chatId, heard)
  await server.fault({ method: 'sendVideo', chat_id: chatId, cut: true })
  await fixture.outbox.post({ chatId, content: media(path) })
  await messagesIn(chatId, 1, 30_000)
  t.is((await methodsFor(chatId)).filter((method) => method === 'sendVideo').length, 2)
})

test.serial('a large file whose answer was lost is looked for again before it is sent again', async (t) => {
  await using fixture = await startOutbox()
  const { chatId, heard } = await chatOf(true)
  const path = await newFile(fixture, 'film.mp4')
  await truncate(path, 30_000_000)
  fixture.outboxSender.heard(chatId, heard)
  // The server goes on when the call is cut, as the real one does after 500 s.
  await server.fault({ method: 'sendVideo', chat_id: chatId, cut: true })
  await fixture.outbox.post({ chatId, content: media(path) })
  await until(
    'it was looked for',
    async () => {
      const methods = await methodsFor(chatId)
      return methods.filter((method) => method === 'editMessageCaption').length >= 10
    },
    30_000,
  )
  await until('it waits', async () => {
    const rows = await fixture.depot.database.query('SELECT 1 FROM messages WHERE attempts = 2')
    return rows.length === 1
  })
  t.is((await methodsFor(chatId)).filter((method) => method === 'sendVideo').length, 1)
})

test.serial('Telegram’s pause before an album does not make it looked for', async (t) => {
  await using fixture = await startOutbox()
  const { chatId, heard } = await chatOf(true)
  const path = await newFile(fixture, 'film.mp4')
  fixture.outboxSender.heard(chatId, heard)
  const pause = refusal(429, 'Too Many Requests: retry after 1', 1)
  await server.fault({ method: 'sendMediaGroup', chat_id: chatId, ...pause })
  await fixture.outbox.post({ chatId, content: { type: 'album', media: [media(path), media(path)] } })
  await messagesIn(chatId, 2)
  t.deepEqual(await methodsFor(chatId), ['sendMediaGroup', 'sendMediaGroup'])
})
