import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { findMethod } from '../methods/table.ts'
import { ApiError, restarting } from './api-error.ts'
import type { Bots } from './bots.ts'
import type { FaultRule } from './faults.ts'
import type { Params } from './params.ts'
import type { ServerParts } from './parts.ts'
import { readParams } from './read-request.ts'

/** The public door: `/bot<token>/<method>`, and without --local also `/file/bot<token>/<path>`. */
export function createBotApiDoor(server: ServerParts, bots: Bots): Server {
  const door = createServer((request, response) => {
    void handle(server, bots, request, response)
  })
  // As long as the real server keeps a silent connection.
  door.keepAliveTimeout = 500_000
  door.requestTimeout = 500_000
  return door
}

async function handle(server: ServerParts, bots: Bots, request: IncomingMessage, response: ServerResponse) {
  const idle = setTimeout(() => request.socket.destroy(), server.settings.now.idle_timeout_ms)
  response.on('close', () => clearTimeout(idle))
  try {
    const url = new URL(request.url ?? '/', 'http://server')
    const call = /^\/bot([^/]+)\/([^/]+)\/?$/.exec(url.pathname)
    const file = server.options.isLocal ? null : /^\/file\/bot([^/]+)\/(.+)$/.exec(url.pathname)
    if (call?.[1] && call[2]) {
      const params = await readParams(request, url.searchParams)
      await answerCall(
        server,
        bots,
        { token: decodeURIComponent(call[1]), method: call[2], params },
        response,
      )
    } else if (file?.[1] && file[2]) {
      await sendFile(bots, decodeURIComponent(file[1]), decodeURIComponent(file[2]), response)
    } else {
      throw new ApiError(404, 'Not Found')
    }
  } catch (error) {
    sendError(response, error instanceof ApiError ? error : internalError(server, error))
  }
}

type Call = { token: string; method: string; params: Params }

async function answerCall(
  server: ServerParts,
  bots: Bots,
  call: Call,
  response: ServerResponse,
): Promise<void> {
  const { token, method, params } = call
  const bot = bots.withToken(token)
  const entry = server.calls.begin(bot.id, token, method, params.raw)
  response.on('close', () => {
    entry.duration_ms = Date.now() - entry.at
    if (response.headersSent) entry.status = response.statusCode
  })
  const chatId = params.has('chat_id') ? params.integer('chat_id') : undefined
  const fault = server.faults.take(method, { chatId })
  if (fault?.delay_ms) await new Promise((resolve) => setTimeout(resolve, fault.delay_ms).unref())
  if (fault && !fault.after && spoil(fault, response)) return
  const result = await bot.call(async () => {
    const work = findMethod(method)
    if (!work) throw new ApiError(404, 'Not Found: method not found')
    bot.floodWait.check()
    if (chatId !== undefined && server.settings.now.flood_limits) {
      server.floods.count(bot.id, method, chatId, messagesOf(params))
    }
    if (!isAnsweredFromMemory(method)) await server.settings.connection()
    return await work(bot, params)
  })
  if (fault?.after && spoil(fault, response)) return
  sendResult(response, misleading(fault, result))
}

/** How many messages a call sends. */
function messagesOf(params: Params): number {
  const media = params.json('media', 'media')
  return Array.isArray(media) ? media.length : 1
}

/** What the real server answers without asking Telegram; getFile only begins, and its transfer waits. */
function isAnsweredFromMemory(method: string): boolean {
  return ['getme', 'getupdates', 'getfile', 'getwebhookinfo'].includes(method.toLowerCase())
}

/** True if the fault has settled the answer, be it that there will be none. */
function spoil(fault: FaultRule, response: ServerResponse): boolean {
  if (fault.cut) {
    response.socket?.destroy()
    return true
  }
  if (fault.error) {
    const { error_code: code, description, ...parameters } = fault.error
    sendError(response, new ApiError(code, description, parameters))
    return true
  }
  if (fault.body !== undefined) {
    response.writeHead(fault.status ?? 502, { 'content-type': 'text/html' }).end(fault.body)
    return true
  }
  return fault.hang === true
}

function misleading(fault: FaultRule | undefined, result: unknown): unknown {
  if (fault?.missing_path) return { ...(result as object), file_path: undefined }
  if (fault?.wrong_path !== undefined) return { ...(result as object), file_path: fault.wrong_path }
  return result
}

async function sendFile(bots: Bots, token: string, path: string, response: ServerResponse): Promise<void> {
  const bot = bots.withToken(token)
  const isInside = normalize(path) === path && !path.startsWith('..') && !path.startsWith('/')
  const isFile = /^[a-z_]+\/file_/.test(path)
  if (!isInside || !isFile) throw new ApiError(404, 'Not Found')
  const full = join(bot.folder.path, path)
  const found = await stat(full).catch(() => undefined)
  if (!found) throw new ApiError(404, 'Not Found')
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': found.size })
  await pipeline(createReadStream(full), response).catch(() => response.destroy())
}

function sendResult(response: ServerResponse, result: unknown): void {
  send(response, 200, { ok: true, result })
}

function sendError(response: ServerResponse, error: ApiError): void {
  const { retry_after } = error.parameters
  if (retry_after !== undefined) response.setHeader('retry-after', retry_after)
  const parameters = Object.keys(error.parameters).length > 0 ? error.parameters : undefined
  send(response, error.code, { ok: false, error_code: error.code, description: error.message, parameters })
}

function send(response: ServerResponse, status: number, answer: object): void {
  if (response.headersSent || response.destroyed) return
  const body = Buffer.from(JSON.stringify(answer))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
}

function internalError(server: ServerParts, error: unknown): ApiError {
  server.log(1, error instanceof Error ? (error.stack ?? error.message) : String(error))
  return restarting()
}
