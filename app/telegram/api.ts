import type { Agent, AgentOptions, ClientRequestArgs, IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import {
  type BotApi,
  type CallOptions,
  type RefusalParameters,
  TelegramRefusal,
  TelegramUnreachable,
} from '../core/bot-api.ts'
import { codeOf } from '../core/errors.ts'
import { http } from '../core/node-http.ts'
import type { ServerHelper } from './server-helper.ts'

/** Milliseconds for a call that Telegram answers at once; above its own 60 s, so that its error text arrives. */
const usualTimeout = 65_000

/** Milliseconds without a byte after which a download is given up. */
const idleTimeout = 60_000

/** Far above the largest answer, getUpdates' 4 MiB. */
const maxAnswer = 16 * 1024 * 1024

/** Connections to a server of this machine, of which nothing is used before its end is known to be the server's. */
class KnownPeerAgent extends http.Agent {
  readonly #helper: ServerHelper

  constructor(helper: ServerHelper, options: AgentOptions) {
    super(options)
    this.#helper = helper
  }

  override createConnection(
    options: ClientRequestArgs,
    made?: (error: Error | null, socket: net.Socket) => void,
  ): undefined {
    const socket = net.connect(options as net.NetConnectOpts)
    const ready = (error: Error | null) => {
      socket.off('error', ready)
      if (error) socket.destroy()
      made?.(error, socket)
    }
    socket.on('error', ready)
    socket.once('connect', () => {
      this.#helper.requireServer(socket.localPort as number).then(() => ready(null), ready)
    })
  }
}

// Telegraf's own client cuts every call at 500 s, loses the text of a 5xx, and puts the token in errors.
/** JSON calls of one bot. Errors are {@link TelegramRefusal} and {@link TelegramUnreachable}, never with the token. */
export class TelegramApi implements BotApi {
  readonly #root: URL
  readonly #token: string
  readonly #client: typeof http | typeof https
  // An idle connection is closed here first: one that the server closes at the moment of reuse loses a call.
  readonly #agent: Agent
  readonly #closing = new AbortController()
  /** When each call under way should have ended. */
  readonly #deadlines = new Map<Promise<unknown>, number>()

  /** @param helper names who listens at `root`, on 127.0.0.1: any local user may, while the server is away */
  constructor(root: string, token: string, helper?: ServerHelper) {
    this.#root = new URL(root.endsWith('/') ? root : `${root}/`)
    this.#token = token
    this.#client = this.#root.protocol === 'https:' ? https : http
    const options = { keepAlive: true, maxSockets: 64, timeout: 30_000 }
    this.#agent = helper ? new KnownPeerAgent(helper, options) : new this.#client.Agent(options)
  }

  get botId(): number {
    return Number(this.#token.split(':', 1)[0])
  }

  /** The folder that the local server keeps for this bot: named by the token, so it never goes into a log. */
  get folderName(): string {
    return this.#token
  }

  async call<T>(method: string, payload: object = {}, options: CallOptions = {}): Promise<T> {
    const body = JSON.stringify(payload, (_key, value) => (value === null ? undefined : value))
    const { status, answer } = await this.#inTime(this.#post(method, body, options), options.timeout)
    // A page of a proxy in between says nothing about the call, and neither does an ok without what was asked for.
    const isAnswer = answer && (!answer.ok || isWhole(method, answer.result))
    if (!isAnswer) throw new TelegramUnreachable(method, `NOT_BOT_API_${status}`)
    if (answer.ok) return answer.result as T
    const { error_code = status, description = '', parameters } = answer
    throw new TelegramRefusal(method, error_code, description, parameters)
  }

  /**
   * The bytes of a file that the server keeps (not offered by a local one). The stream fails when fewer of them come
   * than HTTP has said.
   * @param path the relative `file_path` of getFile's answer
   * @param idle milliseconds without a byte, be it before the first or between two, after which it is given up
   * @param isSized whether the caller knows the size: else an answer that ends with its connection, which may have been
   * cut, is none
   */
  async download(
    path: string,
    {
      signal,
      idle = idleTimeout,
      isSized = false,
    }: { signal: AbortSignal; idle?: number; isSized?: boolean },
  ): Promise<Readable> {
    const encoded = path.split('/').map(encodeURIComponent).join('/')
    const options = { signal: AbortSignal.any([signal, this.#closing.signal]), idle }
    const response = await this.#request('GET', 'download', `file/bot${this.#token}/${encoded}`, options)
    response.setTimeout(idle, () => response.destroy(new TelegramUnreachable('download', 'TIMEOUT')))
    const { 'content-length': length, 'transfer-encoding': encoding } = response.headers
    if (response.statusCode === 200 && !isSized && length === undefined && encoding === undefined) {
      response.destroy()
      throw new TelegramUnreachable('download', 'NO_LENGTH')
    }
    if (response.statusCode === 200) return response
    response.resume()
    throw new TelegramRefusal('download', response.statusCode ?? 0, response.statusMessage ?? '')
  }

  /** Resolves when no call is under way that should have been cut by now. */
  async comesRound(): Promise<void> {
    const now = performance.now()
    const overdue = [...this.#deadlines].filter(([, deadline]) => deadline < now)
    await Promise.allSettled(overdue.map(([call]) => call))
  }

  /** Cuts the calls under way: their callers hear that they were stopped. */
  close(): void {
    this.#closing.abort()
    this.#agent.destroy()
  }

  async #inTime<T>(call: Promise<T>, timeout = usualTimeout): Promise<T> {
    this.#deadlines.set(call, performance.now() + timeout)
    return await call.finally(() => this.#deadlines.delete(call))
  }

  async #post(method: string, body: string, { timeout = usualTimeout, signal }: CallOptions) {
    const signals = [AbortSignal.timeout(timeout), this.#closing.signal, ...(signal ? [signal] : [])]
    const path = `bot${this.#token}/${method}`
    const response = await this.#request('POST', method, path, { signal: AbortSignal.any(signals), body })
    try {
      let text = ''
      response.setEncoding('utf8')
      for await (const chunk of response) {
        text += chunk
        if (text.length > maxAnswer) throw new TelegramUnreachable(method, 'ANSWER_TOO_LARGE')
      }
      return { status: response.statusCode ?? 0, answer: parseAnswer(text) }
    } catch (error) {
      throw unreachable(method, error)
    }
  }

  #request(
    verb: string,
    method: string,
    path: string,
    { signal, body = '', idle }: { signal: AbortSignal; body?: string; idle?: number },
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers =
        verb === 'POST'
          ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
          : {}
      // The leading ./ keeps `bot123:…` from being read as a scheme.
      const request = this.#client.request(new URL(`./${path}`, this.#root), {
        method: verb,
        agent: this.#agent,
        headers,
        signal,
      })
      if (idle !== undefined) {
        request.setTimeout(idle, () => request.destroy(new TelegramUnreachable(method, 'TIMEOUT')))
      }
      request.on('response', resolve)
      request.on('error', (error) => reject(unreachable(method, error)))
      request.end(body)
    })
  }
}

interface Answer {
  ok: boolean
  result?: unknown
  error_code?: number
  description?: string
  parameters?: RefusalParameters
}

function parseAnswer(text: string): Answer | undefined {
  try {
    const answer: unknown = JSON.parse(text)
    const isAnswer = typeof answer === 'object' && answer !== null && 'ok' in answer
    return isAnswer ? (answer as Answer) : undefined
  } catch {
    return undefined
  }
}

const message = z.object({ message_id: z.int() })

/** What a later step cannot do without: taken as it is, a message would count as sent, or every update as impossible. */
const wholes: Record<string, z.ZodType> = {
  getMe: z.object({ id: z.int(), username: z.string() }),
  getUpdates: z.array(z.looseObject({ update_id: z.int() })),
  sendMessage: message,
  editMessageText: message,
}

function isWhole(method: string, result: unknown): boolean {
  const whole = wholes[method]
  return whole ? whole.safeParse(result).success : result !== undefined && result !== null
}

function unreachable(method: string, error: unknown): Error {
  if (error instanceof TelegramUnreachable) return error
  const code = codeOf(error)
  if (code === 'ABORT_ERR' && error instanceof Error) {
    const timedOut = error.cause instanceof DOMException && error.cause.name === 'TimeoutError'
    return new TelegramUnreachable(method, timedOut ? 'TIMEOUT' : 'STOPPED')
  }
  return new TelegramUnreachable(method, code === 'ECONNRESET' ? 'CUT' : (code ?? 'UNKNOWN'))
}
