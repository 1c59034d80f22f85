import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FILE_FOLDERS } from './file-names.ts'

type State = { files: number; parts: number; authorized_at: number }

const NEW_SESSION: State = { files: 0, parts: 0, authorized_at: 0 }

/**
 * `<dir>/<token>/`: the session with its two counters in `td.binlog`, the partial files in `temp/`, the
 * finished ones by kind.
 */
export class BotFolder {
  readonly path: string
  #state: State = NEW_SESSION

  constructor(dir: string, token: string) {
    this.path = join(dir, token)
  }

  get authorizedAt(): number {
    return this.#state.authorized_at
  }

  /** Creates what is missing and goes on with the session that is there. */
  open(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o750 })
    for (const name of [...FILE_FOLDERS, 'temp']) {
      mkdirSync(join(this.path, name), { recursive: true, mode: 0o750 })
    }
    const log = this.#binlog
    if (!existsSync(log)) {
      this.#save(NEW_SESSION)
      return
    }
    const text = readFileSync(log, 'utf8')
    const whole = text.split('\n').findLast(isState)
    this.#state = whole === undefined ? NEW_SESSION : JSON.parse(whole)
    // A kill or a full disk may have cut the last line: the next one must not be joined to it.
    if (!text.endsWith('\n')) this.#save(this.#state, '\n')
  }

  authorize(at: number): void {
    if (this.#state.authorized_at === 0) this.#save({ ...this.#state, authorized_at: at })
  }

  /** A new partial file, named by a counter, with six hex digits more where that name is taken. */
  async createPart(): Promise<{ path: string; handle: FileHandle }> {
    this.#save({ ...this.#state, parts: this.#state.parts + 1 })
    return this.#create(join(this.path, 'temp', String(this.#state.parts)), '')
  }

  /**
   * Moves a complete partial file to its lasting name. The empty file stands there first: its O_EXCL reserves
   * the name, and the rename replaces it.
   */
  async finish(part: string, folder: string, extension: string): Promise<{ path: string; mtimeMs: number }> {
    this.#save({ ...this.#state, files: this.#state.files + 1 })
    const suffix = extension === '' ? '' : `.${extension}`
    const name = join(this.path, folder, `file_${this.#state.files}`)
    const { path, handle } = await this.#create(name, suffix)
    await handle.close()
    await rename(part, path)
    return { path, mtimeMs: (await stat(path)).mtimeMs }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
    this.#state = NEW_SESSION
  }

  get #binlog(): string {
    return join(this.path, 'td.binlog')
  }

  #save(state: State, before = ''): void {
    this.#state = state
    appendFileSync(this.#binlog, `${before}${JSON.stringify(state)}\n`, { mode: 0o600 })
  }

  async #create(name: string, suffix: string): Promise<{ path: string; handle: FileHandle }> {
    await mkdir(dirname(name), { recursive: true, mode: 0o750 })
    let path = name + suffix
    for (;;) {
      try {
        return { path, handle: await open(path, 'wx+', 0o640) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        path = `${name}_${randomBytes(3).toString('hex')}${suffix}`
      }
    }
  }
}

function isState(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}')
}
