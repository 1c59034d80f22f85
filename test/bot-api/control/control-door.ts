import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { sha256OfFile, storeStream } from '../cloud/file-bytes.ts'
import type { CloudFile, Message } from '../cloud/records.ts'
import { VERSION } from '../command-line.ts'
import type { Bots } from '../server/bots.ts'
import { deleteOldFiles } from '../server/delete-old-files.ts'
import type { ServerParts } from '../server/parts.ts'
import { readBody } from '../server/read-request.ts'
import { showChat } from './show-chat.ts'
import { ControlError, type FileSpec, type MessageSpec, UserActions } from './user-actions.ts'

const MAX_BODY_BYTES = 16 << 20
/** Larger files are hashed only for who asks. */
const HASHED_BYTES = 256 << 20

type Request = { url: URL; body: () => Promise<unknown>; stream: IncomingMessage }
type Route = (request: Request) => unknown

/** The private door: plays the users, shows the chats, sets faults. */
export function createControlDoor(server: ServerParts, bots: Bots): Server {
  const routes = createRoutes(server, bots)
  return createServer((request, response) => {
    void answer(routes, request, response)
  })
}

async function answer(routes: Record<string, Route>, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://control')
  const folder = url.pathname.split('/')[1]
  const route = routes[`${request.method} /${folder}`]
  const body = async () => JSON.parse(await readBody(request, MAX_BODY_BYTES))
  try {
    if (!route) throw new ControlError(`There is no ${request.method} ${url.pathname}`)
    send(response, 200, (await route({ url, body, stream: request })) ?? {})
  } catch (error) {
    send(response, 400, { error: (error as Error).message })
  }
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`)
}

function createRoutes(server: ServerParts, bots: Bots): Record<string, Route> {
  const { cloud, settings, faults, calls, queue } = server
  const users = new UserActions(cloud)

  async function describe(sent: { message: Message; chatId: number; file: CloudFile | undefined }, url: URL) {
    const { message, chatId, file } = sent
    if (!file) return { message_id: message.message_id, chat_id: chatId }
    const isHashed = file.size <= HASHED_BYTES || url.searchParams.get('sha256') === '1'
    return {
      message_id: message.message_id,
      chat_id: chatId,
      file_unique_id: file.unique_id,
      sha256: isHashed && url.searchParams.get('sha256') !== '0' ? await sha256OfFile(cloud, file) : null,
    }
  }

  return {
    'POST /messages': async ({ url, body }) => describe(await users.send((await body()) as MessageSpec), url),
    'POST /files': async ({ url, stream }) => {
      const spec = specOfQuery(url.searchParams)
      users.botId(spec.bot_id)
      const { stored, size } = await storeStream(cloud, stream)
      return describe(await users.sendStored(spec, { stored, size }), url)
    },
    'POST /callbacks': async ({ body }) => ({
      callback_query_id: users.press((await body()) as Parameters<typeof users.press>[0]),
    }),
    'POST /edits': async ({ body }) => users.edit((await body()) as Parameters<typeof users.edit>[0]),
    'POST /block': async ({ body }) => users.block((await body()) as Parameters<typeof users.block>[0]),
    'POST /memberships': async ({ body }) =>
      users.setMembership((await body()) as Parameters<typeof users.setMembership>[0]),
    'POST /migrations': async ({ body }) =>
      users.migrate((await body()) as Parameters<typeof users.migrate>[0]),
    'POST /topics': async ({ body }) =>
      users.setTopic((await body()) as Parameters<typeof users.setTopic>[0]),
    'POST /privacy': async ({ body }) =>
      users.setPrivacy((await body()) as Parameters<typeof users.setPrivacy>[0]),
    'GET /chats': ({ url }) => {
      const chatId = Number(url.pathname.split('/')[2])
      const botId = url.searchParams.get('bot_id')
      return showChat(cloud, users.botId(botId === null ? undefined : Number(botId)), chatId)
    },
    'POST /faults': async ({ body }) => ({
      id: faults.add((await body()) as Parameters<typeof faults.add>[0]),
    }),
    'DELETE /faults': () => faults.clear(),
    'POST /settings': async ({ body }) => {
      const { gc_now, logged_out, revoke_token, retry_login, flood_wait, ...changes } =
        (await body()) as Record<string, unknown>
      settings.change(changes)
      // What was written to the bot while it had no connection.
      if (changes.is_connected) for (const bot of bots.all()) bot.hearNews()
      if (flood_wait !== undefined) for (const bot of bots.all()) bot.floodWait.begin(Number(flood_wait))
      if (revoke_token) cloud.write({ t: 'revoke', bot_id: users.botId(idIn(revoke_token)) })
      if (revoke_token) await bots.logOut(users.botId(idIn(revoke_token)), 401, 'Unauthorized')
      if (logged_out) await bots.logOut(users.botId(idIn(logged_out)), 400, 'Logged out')
      if (retry_login) bots.forgetClosed()
      const removed = gc_now ? bots.all().flatMap((bot) => deleteOldFiles(bot.folder.path)) : []
      return { settings: settings.now, removed_files: removed.length }
    },
    'GET /state': () => ({
      bots: bots.all().map((bot) => ({
        id: bot.id,
        logged_in: bot.isReady,
        pending_updates: queue.count(bot.id),
        downloads: bot.downloads.underWay,
      })),
      version: VERSION,
    }),
    'GET /calls': ({ url }) => ({
      calls: calls.find(
        url.searchParams.get('method') ?? undefined,
        Number(url.searchParams.get('since') ?? 0),
      ),
    }),
  }
}

/** `true` means the only bot, a number the bot with that id. */
function idIn(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function specOfQuery(query: URLSearchParams): MessageSpec {
  const text = (name: string) => query.get(name) ?? undefined
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined)
  const chatId = number('chat')
  const file = {
    kind: text('kind'),
    name: text('name'),
    mime_type: text('mime_type'),
    unique_id: text('unique_id'),
  }
  const type = query.get('chat_type') ?? 'supergroup'
  return dropUndefined({
    bot_id: number('bot_id'),
    from: { id: number('from') ?? 1001 },
    chat: chatId !== undefined && chatId < 0 ? { id: chatId, type, title: 'Group' } : undefined,
    file: dropUndefined(file) as FileSpec,
    caption: text('caption'),
  }) as MessageSpec
}

function dropUndefined(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
