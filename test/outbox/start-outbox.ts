import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type DeliveryEvent, Outbox, OutboxSender } from '../../app/outbox/index.ts'
import { TelegramApi } from '../../app/telegram/api.ts'
import { callApi } from '../bot-api/call-api.ts'
import { type Settings, type ShownMessage, type StandIn, startBotApi } from '../bot-api/client.ts'
import { saidIn } from '../helpers/chat.ts'
import { type Depot, openDepot } from '../helpers/depot.ts'
import { until } from '../helpers/until.ts'

/** The stand-in of the tests of a file; there once they begin. */
export let server: StandIn

/** Starts a stand-in before the tests of a file, and ends it after them. */
export function serveForAll(settings: Partial<Settings> = {}): void {
  test.before(async () => {
    server = await startBotApi()
    await server.settings(settings)
    await callApi(server, 'getMe')
  })
  test.after.always(() => server?.stop())
}

let lastUser = 9000

/** A user who has written to the bot. */
export async function newChat(): Promise<number> {
  const id = ++lastUser
  await server.sendText('hi', { from: { id } })
  return id
}

let lastGroup = 100_500
export const newGroup = () => ++lastGroup

/** The messages of a bot, over a database of their own. */
export interface OutboxFixture extends AsyncDisposable {
  depot: Depot
  outbox: Outbox
  outboxSender: OutboxSender
  restart(): Promise<void>
}

export async function startOutbox(of = server): Promise<OutboxFixture> {
  const depot = await openDepot()
  const api = new TelegramApi(of.url, of.token)
  const { database, log } = depot
  const create = () => {
    const outbox = new Outbox(database, log, api.botId)
    return { outbox, outboxSender: new OutboxSender({ api, outbox, database, log }) }
  }
  const fixture: OutboxFixture = {
    depot,
    ...create(),
    async restart() {
      await fixture.outboxSender[Symbol.asyncDispose]()
      Object.assign(fixture, create())
      fixture.outboxSender.start()
    },
    async [Symbol.asyncDispose]() {
      await fixture.outboxSender[Symbol.asyncDispose]()
      api.close()
      await depot[Symbol.asyncDispose]()
    },
  }
  fixture.outboxSender.start()
  return fixture
}

/** What Telegram answers to a call that it refuses. */
export const refusal = (error_code: number, description: string, retry_after?: number) => ({
  error: { error_code, description, ...(retry_after !== undefined && { retry_after }) },
})

/** The bot's texts in a chat, once there are so many. */
export const said = (chatId: number, count: number, ms?: number) =>
  until(
    `${count} messages in the chat`,
    async () => {
      const texts = await saidIn(server, chatId)
      return texts.length >= count && texts
    },
    ms,
  )

/** When the calls for a chat came, in milliseconds after the first one, each with its text. */
export async function callsFor(chatId: number): Promise<{ at: number; method: string; text: unknown }[]> {
  const calls = (await server.calls()).filter(({ params }) => Number(params.chat_id) === chatId)
  return calls.map(({ at, method, params }) => ({ at: at - (calls[0]?.at ?? 0), method, text: params.text }))
}

export async function shown(t: ExecutionContext, chatId: number, text: string, ms?: number): Promise<void> {
  await server.waitForMessage(chatId, (message) => message.text === text, ms)
  t.pass()
}

/** The bot's messages that a chat shows, once there are so many. */
export const messagesIn = (chatId: number, count: number, ms?: number): Promise<ShownMessage[]> =>
  until(
    `${count} messages in the chat`,
    async () => {
      const { messages } = await server.chat(chatId)
      const ours = messages.filter(({ from, deleted }) => from.is_bot && !deleted)
      return ours.length === count && ours
    },
    ms,
  )

/** Waits until Telegram shows what every row says. */
export const allSent = ({ depot }: OutboxFixture, ms?: number) =>
  until(
    'nothing waits to be sent',
    async () => {
      const sql = 'SELECT 1 FROM messages WHERE sent_revision < revision AND failure IS NULL'
      return (await depot.database.query(sql)).length === 0
    },
    ms,
  )

/** The reason for which the only row that failed has failed, once there is one. */
export const failureIn = ({ depot }: OutboxFixture): Promise<string> =>
  until('a failure', async () => {
    const sql = 'SELECT failure FROM messages WHERE failure IS NOT NULL'
    return (await depot.database.query<{ failure: string }>(sql))[0]?.failure
  })

/** What the listeners are told of ends, in a list that grows. */
export function endsOf({ outboxSender }: OutboxFixture): DeliveryEvent[] {
  const ends: DeliveryEvent[] = []
  outboxSender.whenSent(async (event) => {
    if (event.delivery !== 'started') ends.push(event)
  })
  return ends
}

/** A new file of this machine. Returns its path. */
export async function newFile({ depot }: OutboxFixture, name: string): Promise<string> {
  const path = join(depot.dir, name)
  await writeFile(path, `bytes of ${name}`)
  return path
}

/** The calls for a chat, by their methods. */
export async function methodsFor(chatId: number): Promise<string[]> {
  return (await callsFor(chatId)).map(({ method }) => method)
}
