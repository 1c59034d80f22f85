import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usernameOf } from './cloud/groups.ts'
import type { Membership, Message, TopicState } from './cloud/records.ts'
import type { ShownChat, ShownMessage } from './control/show-chat.ts'
import type { FileSpec, MessageSpec, Sender } from './control/user-actions.ts'
import { findPorts, newToken } from './fresh.ts'
import type { Call } from './server/call-log.ts'
import type { FaultRule } from './server/faults.ts'
import type { Settings } from './server/settings.ts'

export { contentOf, sha256Of } from './content.ts'
export type { Call, FaultRule, Sender, Settings, ShownChat, ShownMessage }

export type StartOptions = {
  /** `<bot id>:<secret>`; by default one that no other test uses. */
  token?: string
  /** Default: true. */
  isLocal?: boolean
  /** Further flags of the real server. */
  flags?: string[]
  env?: Record<string, string>
  /** The folders; by default new ones below the system's temporary folder, removed by `stop`. */
  dir?: string
  cloudDir?: string
  /** Umask of the server's process, in octal digits; by default the test's own. */
  umask?: string
}

type SendOptions = Partial<Omit<MessageSpec, 'file' | 'text' | 'caption' | 'media_group_id'>>
export type SendFile = SendOptions & FileSpec & { caption?: string; media_group_id?: string }
export type Sent = { message_id: number; chat_id: number; file_unique_id?: string; sha256?: string | null }
export type State = {
  bots: {
    id: number
    logged_in: boolean
    pending_updates: number
    downloads: { file_unique_id: string; received: number; size: number }[]
  }[]
  version: string
}

const START_MS = 30_000
const STOP_MS = 10_000
const POLL_MS = 20
const ANN: Sender = { id: 1001, first_name: 'Ann', language_code: 'en' }

/** A stand-in Bot API server in a process of its own, and the user in front of it. */
export class StandIn implements AsyncDisposable {
  readonly token: string
  readonly botId: number
  /** For TELEGRAM_API_URL. */
  readonly url: string
  /** Root of the control API. */
  readonly control: string
  /** The server's `--dir`. */
  readonly dir: string
  readonly cloudDir: string
  /** What the process has written to stderr. */
  log = ''
  readonly #options: StartOptions
  readonly #ports: { http: number; control: number }
  readonly #root: string
  #process: ChildProcess | undefined

  constructor(options: StartOptions, root: string, ports: { http: number; control: number }) {
    this.token = options.token ?? newToken()
    this.botId = Number(this.token.split(':')[0])
    this.url = `http://127.0.0.1:${ports.http}`
    this.control = `http://127.0.0.1:${ports.control}`
    this.dir = options.dir ?? join(root, 'bot-api')
    this.cloudDir = options.cloudDir ?? join(root, 'telegram-cloud')
    this.#options = options
    this.#ports = ports
    this.#root = root
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts the process on the same folders and ports; resolves when it answers. */
  async start(): Promise<void> {
    const local = this.#options.isLocal === false ? [] : ['--local']
    const flags = [`--dir=${this.dir}`, `--http-port=${this.#ports.http}`, '--http-ip-address=127.0.0.1']
    const args = [join(import.meta.dirname, 'main.ts'), ...local, ...flags, ...(this.#options.flags ?? [])]
    const env = {
      ...process.env,
      TELEGRAM_API_ID: '1',
      TELEGRAM_API_HASH: 'test',
      TELEGRAM_CLOUD_DIR: this.cloudDir,
      TELEGRAM_CONTROL_PORT: String(this.#ports.control),
      ...this.#options.env,
    }
    const { umask } = this.#options
    const command = umask === undefined ? [] : ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh']
    const [program = '', ...rest] = [...command, process.execPath, ...args]
    const child = spawn(program, rest, { env, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    this.#process = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk
    })
    const late = AbortSignal.timeout(START_MS)
    const outcome = await Promise.race([
      once(child, 'message', { signal: late }).then(() => 'listening'),
      once(child, 'exit', { signal: late }).then(() => 'exited'),
    ])
    if (outcome === 'exited') throw new Error(`The stand-in ended at its start: ${this.log}`)
    child.channel?.unref()
  }

  /** Sends the signal and resolves with the exit code (null when the signal ended it). */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#process
    if (!child) return null
    this.#process = undefined
    const ended = once(child, 'close', { signal: AbortSignal.timeout(STOP_MS) })
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    child.kill(signal)
    const [code] = await ended
    return code
  }

  /** Ends the process, by default as a crash does, and starts it again. */
  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal)
    await this.start()
  }

  /** Ends the process and removes the folders that were made for it. */
  async stop(): Promise<void> {
    await this.kill('SIGKILL')
    await rm(this.#root, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** A user (Ann, 1001) sends a file; by default a document of 1024 bytes. */
  sendFile(file: SendFile = {}): Promise<Sent> {
    const { from = ANN, chat, bot_id = this.botId, caption, media_group_id, ...others } = file
    const { reply_to_message_id, message_thread_id, sender_chat, is_automatic_forward, ...spec } = others
    const about = { reply_to_message_id, message_thread_id, sender_chat, is_automatic_forward }
    return this.#post('/messages', { bot_id, from, chat, caption, media_group_id, ...about, file: spec })
  }

  /** A user (Ann, 1001) writes. */
  sendText(text: string, options: SendOptions = {}): Promise<Sent> {
    return this.#post('/messages', { bot_id: this.botId, from: ANN, ...options, text })
  }

  /** The chat shows what nobody wrote, such as a new title. */
  sendService(service: Message['service'], options: SendOptions = {}): Promise<Sent> {
    return this.#post('/messages', { bot_id: this.botId, from: ANN, ...options, service })
  }

  /** A user presses the button with this callback data. */
  press(button: { chat_id: number; message_id: number; data: string; from?: Sender; bot_id?: number }) {
    return this.#post<{ callback_query_id: string }>('/callbacks', {
      bot_id: this.botId,
      from: ANN,
      ...button,
    })
  }

  /** A user changes one of their messages. */
  edit(edit: { chat_id: number; message_id: number; text?: string; caption?: string }): Promise<unknown> {
    return this.#post('/edits', { bot_id: this.botId, ...edit })
  }

  block(userId: number, blocked = true): Promise<unknown> {
    return this.#post('/block', { bot_id: this.botId, user_id: userId, blocked })
  }

  /** What the bot is in a group from now on. */
  setMembership(chatId: number, status: Membership): Promise<unknown> {
    return this.#post('/memberships', { bot_id: this.botId, chat_id: chatId, status })
  }

  /** A group becomes a supergroup; `silent` when no update tells of it. */
  migrate(from: number, to: number, { silent = false } = {}): Promise<unknown> {
    return this.#post('/migrations', { bot_id: this.botId, from, to, silent })
  }

  setTopic(chatId: number, threadId: number, state: TopicState): Promise<unknown> {
    return this.#post('/topics', { chat_id: chatId, thread_id: threadId, state })
  }

  /** Whether the bot hears in groups only what is meant for it. */
  setPrivacy(enabled: boolean): Promise<unknown> {
    return this.#post('/privacy', { bot_id: this.botId, enabled })
  }

  /** The bot's name with its @. */
  get mention(): string {
    return `@${usernameOf(this.botId)}`
  }

  chat(chatId: number, botId = this.botId): Promise<ShownChat> {
    return this.#ask('GET', `/chats/${chatId}?bot_id=${botId}`)
  }

  /** Waits until the chat shows a message that fits; the error tells what was there instead. */
  async waitForMessage(
    chatId: number,
    predicate: (message: ShownMessage) => boolean,
    timeoutMs = 10_000,
  ): Promise<ShownMessage> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const { messages } = await this.chat(chatId)
      const found = messages.find((message) => !message.deleted && predicate(message))
      if (found) return found
      if (Date.now() > deadline) {
        throw new Error(`No message fitted within ${timeoutMs} ms; there were ${JSON.stringify(messages)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  fault(rule: FaultRule): Promise<{ id: number }> {
    return this.#post('/faults', rule)
  }

  async clearFaults(): Promise<void> {
    await this.#ask('DELETE', '/faults')
  }

  /** Changes how Telegram behaves, or makes something happen to the bot's session or files now. */
  settings(
    changes: Partial<Settings> & {
      gc_now?: true
      logged_out?: true
      revoke_token?: true
      retry_login?: true
      flood_wait?: number
    },
  ): Promise<{ settings: Settings; removed_files: number }> {
    const { logged_out, revoke_token, ...others } = changes
    return this.#post('/settings', {
      ...others,
      ...(logged_out && { logged_out: this.botId }),
      ...(revoke_token && { revoke_token: this.botId }),
    })
  }

  state(): Promise<State> {
    return this.#ask('GET', '/state')
  }

  async calls(method?: string, since = 0): Promise<Call[]> {
    const query = new URLSearchParams({ since: String(since), ...(method && { method }) })
    const { calls } = await this.#ask<{ calls: Call[] }>('GET', `/calls?${query}`)
    return calls
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.#ask('POST', path, JSON.stringify(body))
  }

  async #ask<T>(method: string, path: string, body?: string): Promise<T> {
    const response = await fetch(this.control + path, { method, ...(body !== undefined && { body }) })
    const answer = (await response.json()) as T & { error?: string }
    if (!response.ok) throw new Error(`${method} ${path}: ${answer.error}`)
    return answer
  }
}

/** Starts a stand-in on free ports and new folders. */
export async function startBotApi(options: StartOptions = {}): Promise<StandIn> {
  const root = await mkdtemp(join(tmpdir(), 'bot-api-'))
  const standIn = new StandIn(options, root, await findPorts())
  try {
    await standIn.start()
  } catch (error) {
    await standIn.stop()
    throw error
  }
  return standIn
}
