import { execFile, spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Sender, type StandIn, startBotApi } from '../bot-api/client.ts'
import { end, until } from './programs.ts'

const root = join(import.meta.dirname, '../..')

export interface Published {
  uuid: string
  path: string
  size: number
}

type Env = Record<string, string>

/** The stand-in for Telegram and the roles of the app, each a process, in one folder. */
export class App implements AsyncDisposable {
  readonly botApi: StandIn
  readonly store: string
  readonly socket: string
  readonly databaseFile: string
  readonly #folder: string
  readonly #owned = new AsyncDisposableStack()
  #users = 1000

  constructor(folder: string, botApi: StandIn) {
    this.#folder = folder
    this.botApi = this.#owned.use(botApi)
    this.store = join(folder, 'store')
    this.socket = join(folder, 'web.sock')
    this.databaseFile = join(folder, 'db', 'tgdepot.sqlite')
  }

  /** Starts a role as its unit does and returns its process id when it is ready. */
  async start(role: 'bot' | 'web', more: Env = {}): Promise<number> {
    return this.#owned.use(await this.#run(role, more)).pid
  }

  async #run(role: 'bot' | 'web', more: Env): Promise<AsyncDisposable & { pid: number }> {
    const logFile = join(this.#folder, `${role}.log`)
    const log = await open(logFile, 'w')
    const { flags, env } = await runtimeOf(role, join(this.#folder, 'compile-cache'))
    const child = spawn(process.execPath, [...flags, 'app/main.ts', role], {
      cwd: root,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env.PATH, ...env, ...this.#settings(role), ...more },
    })
    await log.close()
    const running = { pid: child.pid as number, [Symbol.asyncDispose]: () => end(child) }
    try {
      await until(`role ${role} is ready`, async () => {
        const text = await readFile(logFile, 'utf8')
        if (child.exitCode !== null) throw new Error(`role ${role} ended at its start: ${text}`)
        return text.includes(`${role}: ready`)
      })
    } catch (error) {
      await end(child)
      throw error
    }
    return running
  }

  /** Fills the compile cache as the installer does for a release. */
  async warm(): Promise<void> {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, 'compile-cache') }
    const files = globSync('app/**/*.ts', { cwd: root }).filter((file) => file !== 'app/main.ts')
    const imports = files.map((file) => `await import(${JSON.stringify(join(root, file))})`).join(';')
    const run = promisify(execFile)
    await run(process.execPath, ['--input-type=module', '--eval', imports], { cwd: root, env })
    // main.ts refuses a role that it does not know, but is in the cache then.
    await run(process.execPath, ['app/main.ts', 'warm-up'], { cwd: root, env }).catch(() => {})
  }

  newUser(): Sender {
    this.#users++
    return { id: this.#users, first_name: 'Ann' }
  }

  /** A user sends a file of `size` bytes; resolves when the chat shows its link. */
  async publish(size: number, from: Sender = this.newUser()): Promise<Published> {
    const file = { kind: 'document', name: `file-${size}.bin`, size, seed: `${from.id}` } as const
    const { message_id, chat_id } = await this.botApi.sendFile({ from, ...file })
    const shown = await this.botApi.waitForMessage(
      chat_id,
      ({ reply_to_message_id, text, inline_keyboard }) =>
        reply_to_message_id === message_id && (linkIn(text) ?? inline_keyboard) !== undefined,
      300_000,
    )
    const uuid = linkIn(shown.text)
    if (uuid === undefined) {
      const log = await readFile(join(this.#folder, 'bot.log'), 'utf8')
      throw new Error(`the bot answers ${shown.text}\nits log ends with ${log.slice(-2000)}`)
    }
    return { uuid, path: join(this.store, uuid.slice(0, 2), uuid), size }
  }

  #settings(role: 'bot' | 'web'): Env {
    const both = {
      DATABASE_URL: `sqlite:${this.databaseFile}`,
      STORAGE_PATH: this.store,
      DOWNLOAD_URL_BASE: 'https://files.example.org',
    }
    if (role === 'web') return { ...both, SERVER_SOCKET: this.socket, X_ACCEL_PREFIX: '/_files/' }
    return {
      ...both,
      TELEGRAM_BOT_TOKEN: this.botApi.token,
      TELEGRAM_API_URL: this.botApi.url,
      BOT_API_DIR: this.botApi.dir,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Starts the stand-in in a new folder; the roles are started by {@link App.start}. */
export async function startApp(folder: string): Promise<App> {
  const dir = join(folder, 'bot-api')
  await mkdir(dir, { recursive: true })
  return new App(folder, await startBotApi({ dir, cloudDir: join(folder, 'telegram-cloud') }))
}

/** How the role's unit runs Node: its flags, and the variables of Node and malloc; a compile cache goes to `cache`. */
async function runtimeOf(role: 'bot' | 'web', cache: string): Promise<{ flags: string[]; env: Env }> {
  const files = [`tgdepot-${role}.service`, 'tgdepot-.service.d/10-sandbox.conf']
  const texts = await Promise.all(files.map((file) => readFile(join(root, 'systemd', file), 'utf8')))
  const unit = texts.join('\n')
  const flags = /^ExecStart=.*?\/node ((?:-\S+ )*)\S+\/app\/main\.ts/m.exec(unit)?.[1] ?? ''
  const env = Object.fromEntries(
    [...unit.matchAll(/^Environment="?((?:NODE|MALLOC)_[A-Z_]+)=([^"\n]*)/gm)].map(([, name, value]) => [
      name,
      value,
    ]),
  )
  if ('NODE_COMPILE_CACHE' in env) env.NODE_COMPILE_CACHE = cache
  return { flags: flags.split(' ').filter(Boolean), env }
}

/** The UUID of the link in a message. */
export function linkIn(text: string | undefined): string | undefined {
  return /\/download\/([0-9a-f-]{36})/.exec(text ?? '')?.[1]
}
