import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { promisify } from 'node:util'
import type { StandIn } from '../bot-api/client.ts'
import { askPostgres } from './ask-postgres.ts'
import { databaseIn } from './database-in.ts'
import { type HttpAnswer, httpGet } from './http-get.ts'
import { until } from './until.ts'

export interface LogLine extends Record<string, unknown> {
  level: string
  message: string
  job_id?: number
  event?: string
}

export interface AppOptions {
  /** The server it belongs to; its folder is given as BOT_API_DIR when it is a local one. */
  api?: StandIn
  roles?: string[]
  /** The program, when it is another copy than this one. */
  program?: string
  /** Further settings; undefined leaves one out. */
  env?: Record<string, string | undefined>
  /** Its folders; by default a new one below the system's temporary folder. */
  dir?: string
  /** Umask of the process, in octal digits. */
  umask?: string
  /** Takes root's power away, so that modes of files bind the process. */
  isPowerless?: boolean
  /** A program that becomes it, with its arguments. */
  by?: string[]
  /** Whether to wait for the login; without, only for the process to listen or to begin. */
  login?: boolean
}

const execFileAsync = promisify(execFile)
const powerless = ['setpriv', '--bounding-set=-all', '--inh-caps=-all']

/** A settings environment without any of the machine's own. */
const plain = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR', 'NODE_V8_COVERAGE'].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
)

/** The app starts in a third of the time; a change of a source is noticed. */
const compileCache = join(tmpdir(), 'tgdepot-test-compile-cache')

export const linkBase = 'https://files.example.org'

/** The app in a process of its own, with its own folders and a free port. */
export class App implements AsyncDisposable {
  readonly dir: string
  readonly #options: AppOptions
  /** As DATABASE_URL names it. */
  readonly databaseUrl: string
  /** All that it ever wrote, over all its starts. */
  output = ''
  #process: ChildProcess | undefined
  #seen = 0

  constructor(options: AppOptions, dir: string, databaseUrl: string) {
    this.#options = options
    this.dir = dir
    this.databaseUrl = databaseUrl
  }

  get storage(): string {
    return this.#options.env?.STORAGE_PATH ?? join(this.dir, 'store')
  }

  /** SQLite's file. */
  get databaseFile(): string {
    return join(this.dir, 'db', 'tgdepot.db')
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts it and waits as `options.login` says. */
  async start(env: Record<string, string | undefined> = {}): Promise<void> {
    const { roles = [] } = this.#options
    this.spawn(env)
    if (this.#options.login === false) {
      await this.log(
        (line) => line.message === (roles.includes('web') || !roles.length ? 'web: ready' : 'bot: ready'),
      )
      return
    }
    if (roles.length === 0 || roles.includes('bot')) {
      await this.log((line) => line.message === 'Bot API server: logged in')
    }
    if (roles.length === 0 || roles.includes('web')) await this.log((line) => line.message === 'web: ready')
    for (const role of roles.filter((role) => role !== 'bot' && role !== 'web')) {
      await this.log((line) => line.message === `${role}: ready`)
    }
  }

  get #main(): string {
    return join(this.#options.program ?? join(import.meta.dirname, '../..'), 'app/main.ts')
  }

  /** Starts it without waiting for anything. */
  spawn(env: Record<string, string | undefined> = {}): void {
    if (!this.#hasEnded()) throw new Error('The app runs already')
    const { roles = [], umask, isPowerless = false, by = [] } = this.#options
    const settings = { ...this.#settings(), ...env }
    this.#seen = this.output.length
    const without = isPowerless && process.getuid?.() === 0 ? powerless : []
    const program = [...without, ...by, process.execPath, this.#main, ...roles]
    const shell = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...program]
    const [command = '', ...args] = umask === undefined ? program : shell
    const child = spawn(command, args, {
      env: { ...plain, NODE_COMPILE_CACHE: compileCache, ...settings },
      cwd: this.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text
      })
    }
    running.add(child)
    child.on('exit', () => running.delete(child))
    this.#process = child
  }

  #settings(): Record<string, string | undefined> {
    const { api, env } = this.#options
    return {
      ...(api && { TELEGRAM_BOT_TOKEN: api.token, TELEGRAM_API_URL: api.url, BOT_API_DIR: api.dir }),
      STORAGE_PATH: this.storage,
      DATABASE_URL: this.databaseUrl,
      STATE_DIRECTORY: join(this.dir, 'db'),
      SERVER_PORT: '0',
      DOWNLOAD_URL_BASE: linkBase,
      ...env,
    }
  }

  /** The log of the present start, a JSON object a line; a line that is none makes the test fail. */
  get lines(): LogLine[] {
    return parseLines(this.output.slice(this.#seen))
  }

  /** Waits for a line of the present start's log. */
  async log(fits: (line: LogLine) => boolean, ms = 30_000): Promise<LogLine> {
    return await until(
      () => `a line of the log that fits ${fits}; it was:\n${this.output.slice(this.#seen)}`,
      () => {
        const found = this.lines.find(fits)
        if (!found && this.#hasEnded()) throw new Error(`The app ended:\n${this.output.slice(this.#seen)}`)
        return found
      },
      ms,
    )
  }

  #hasEnded(): boolean {
    const child = this.#process
    return !child || child.exitCode !== null || child.signalCode !== null
  }

  /** Sends a signal and resolves with the exit code, null when the signal ended it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.#process?.kill(signal)
    return await this.ended()
  }

  /** Resolves with the exit code when the process has ended by itself. */
  async ended(ms = 32_000): Promise<number | null> {
    const child = this.#process
    if (!child) return null
    if (!this.#hasEnded()) await once(child, 'close', { signal: AbortSignal.timeout(ms) })
    return child.exitCode
  }

  /** Ends it by `signal` and starts it again on the same folders. */
  async restart(
    signal: NodeJS.Signals = 'SIGTERM',
    env: Record<string, string | undefined> = {},
  ): Promise<void> {
    await this.kill(signal)
    await this.start(env)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded()) await this.kill('SIGKILL')
    if (this.#options.dir === undefined) await rm(this.dir, { recursive: true, force: true })
  }

  /** Asks the web role. */
  async get(path: string, options: Parameters<typeof httpGet>[2] = {}): Promise<HttpAnswer> {
    const { listening } = await this.log((line) => 'listening' in line)
    return await httpGet(String(listening), path, options)
  }

  /** Runs one statement on the app's database. */
  sql<R = Record<string, unknown>>(statement: string, ...parameters: SQLInputValue[]): R[] {
    const url = this.#settings().DATABASE_URL as string
    if (url.startsWith('postgres:')) return askPostgres(url, statement, parameters) as R[]
    const database = new DatabaseSync(this.databaseFile, { timeout: 5000 })
    try {
      return database.prepare(statement).all(...parameters) as R[]
    } finally {
      database.close()
    }
  }

  /** The names in the store, without the folders, the store's own marker, and what is set aside. */
  async stored(): Promise<string[]> {
    const entries = await readdir(this.storage, { recursive: true, withFileTypes: true })
    const { root, aside } = { root: this.storage, aside: join(this.storage, 'quarantine') }
    return entries
      .filter((entry) => entry.isFile() && entry.parentPath !== root && !entry.parentPath.startsWith(aside))
      .map((entry) => entry.name)
  }

  /** The names in the quarantine. */
  async setAside(): Promise<string[]> {
    const aside = join(this.storage, 'quarantine')
    const entries = await readdir(aside, { recursive: true, withFileTypes: true }).catch(() => [])
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  }

  /** Runs one of the owner's commands on the app's folders; rejects when it fails. */
  async command(words: string, env: Record<string, string> = {}): Promise<string> {
    const { stdout } = await execFileAsync(process.execPath, [this.#main, ...words.split(' ')], {
      env: {
        ...plain,
        NODE_COMPILE_CACHE: compileCache,
        ...this.#settings(),
        TELEGRAM_BOT_TOKEN: '',
        ...env,
      },
      cwd: this.dir,
    })
    return stdout
  }

  /** The files of its folder in which `text` stands. */
  async filesWith(text: string): Promise<string[]> {
    const entries = await readdir(this.dir, { recursive: true, withFileTypes: true })
    const found = []
    for (const entry of entries.filter((entry) => entry.isFile())) {
      const path = join(entry.parentPath, entry.name)
      if (path.includes(text) || (await readFile(path)).includes(text)) found.push(path)
    }
    return found
  }
}

// A test that fails or is interrupted leaves no process behind.
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function parseLines(output: string): LogLine[] {
  const complete = output.slice(0, output.lastIndexOf('\n') + 1)
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as LogLine
      } catch {
        throw new Error(`A line of the log is no JSON: ${line}`)
      }
    })
}

/** Prepares the app without starting it. */
export async function createApp(options: AppOptions): Promise<App> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'tgdepot-app-')))
  return new App(options, dir, (await databaseIn(dir)).url)
}

/** Starts the app and waits until its roles are ready. */
export async function startApp(options: AppOptions): Promise<App> {
  const app = await createApp(options)
  try {
    await app.start()
    return app
  } catch (error) {
    await app[Symbol.asyncDispose]()
    throw error
  }
}
