import { readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import { codeOf, StartError } from '../core/errors.ts'
import { removeFile } from '../core/remove-file.ts'
import type { TelegramApi } from './api.ts'
import { PartialDownloads, type Watched } from './partial-downloads.ts'
import type { ServerHelper } from './server-helper.ts'

/**
 * Where getFile left a file: on this disk, ours to link when it is handed over, or on the server, to be streamed, with the
 * bytes that it must have.
 */
export type Fetched =
  | { path: string; handedOver: Promise<void> }
  | { stream: Readable; size: number | undefined }

/** getFile of a local server answers when the file is there; 4 GB at 50 kB/s take 23 h. */
const fetchTimeout = 24 * 3_600_000

/** Milliseconds between two looks at whether a file still grows. */
const lookEvery = 1000

/** Answers in a row that come at once and do not help: no path, or the connection cut. */
const maxAsks = 5

/** Milliseconds within which an answer came at once. */
const atOnce = 1000

/** A file that the server names, but that is not one of its files. */
export class ForeignPath extends Error {
  override name = 'ForeignPath'
}

/** Nothing of a file has come for a while; the server goes on with it, and can be asked again later. */
export class Stalled extends Error {
  override name = 'Stalled'
}

/** More of a file has come than Telegram announced. */
export class LargerThanAnnounced extends Error {
  override name = 'LargerThanAnnounced'
}

/** What is asked for. */
export interface Wanted {
  fileId: string
  /** Bytes that Telegram announced, if it did. */
  size: number | undefined
  /** Milliseconds without a byte after which it is given up for now. */
  patience: number
  /** Told that something comes, also while nobody can tell how much of it is this file's. */
  grew?: () => void
}

/** Gets files of Telegram messages. The server serves the newest call first, so older ones wait for newer ones. */
export class TelegramFiles {
  readonly #api: TelegramApi
  readonly #directory: string | undefined
  readonly #helper: ServerHelper | undefined
  readonly #arrivals: PartialDownloads | undefined

  /**
   * @param directory the local server's `--dir`, if there is a local server
   * @param helper hands its files over, if it is another user's
   */
  constructor(api: TelegramApi, directory: string | undefined, helper?: ServerHelper) {
    this.#api = api
    this.#directory = directory
    this.#helper = helper
    if (directory !== undefined)
      this.#arrivals = new PartialDownloads(join(directory, api.folderName, 'temp'))
  }

  /**
   * Makes the server fetch a file of the announced size. `received` is told the bytes on the disk as they come, while
   * it can be told which ones belong to this file.
   * @throws TelegramRefusal, TelegramUnreachable, ForeignPath, Stalled, LargerThanAnnounced; handing over, HelperError
   */
  async fetch(
    { fileId, size, patience, grew }: Wanted,
    received: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const watched = await this.#arrivals?.begin({ fileId, size, received, ...(grew && { grew }) })
    const began = performance.now()
    const givenUp = new AbortController()
    // Without a folder nothing can be seen to grow: such a server has to answer in time.
    const quiet = () => watched?.quiet() ?? performance.now() - began
    const timer = setInterval(
      () => {
        if (watched?.hasOutgrown())
          givenUp.abort(new LargerThanAnnounced(`more has come than the announced ${size} bytes`))
        else if (quiet() > patience)
          givenUp.abort(new Stalled(`nothing has come for ${Math.round(quiet() / 1000)} s`))
      },
      Math.min(lookEvery, patience),
    )
    let isThere = false
    try {
      const found = await this.#ask(fileId, watched, AbortSignal.any([signal, givenUp.signal]))
      isThere = true
      clearInterval(timer)
      if (isAbsolute(found.path)) {
        const path = await this.#ours(found.path)
        const handedOver = this.#helper?.handOver(path) ?? Promise.resolve()
        // It may fail before anybody waits for it, which must not end the process.
        handedOver.catch(() => {})
        return { path, handedOver }
      }
      const expected = size ?? found.size
      const isSized = expected !== undefined
      return { stream: await this.#api.download(found.path, { signal, isSized }), size: expected }
    } catch (error) {
      if (isThere || signal.aborted || !givenUp.signal.aborted) throw error
      throw givenUp.signal.reason
    } finally {
      clearInterval(timer)
      watched?.end(isThere)
    }
  }

  /**
   * Finished files in the server's folder of this bot, at most `limit`. Any of them may be removed at any time; the
   * server's `temp` and the files beside the folders, its sessions, are none of ours.
   */
  async leftovers(limit: number): Promise<Leftover[]> {
    if (this.#directory === undefined) return []
    const root = join(this.#directory, this.#api.folderName)
    const found: Leftover[] = []
    for (const folder of await readdir(root, { withFileTypes: true }).catch(() => [])) {
      if (!folder.isDirectory() || folder.name === 'temp') continue
      for (const name of await readdir(join(root, folder.name)).catch(() => [])) {
        if (found.length >= limit) return found
        const path = join(root, folder.name, name)
        const stats = await stat(path).catch(() => undefined)
        if (stats?.isFile()) found.push({ path, size: stats.size, finishedAt: stats.mtimeMs })
      }
    }
    return found
  }

  /** Bytes on the disk of files that the server has not finished. */
  async partialBytes(): Promise<number> {
    return (await this.#arrivals?.bytes()) ?? 0
  }

  /**
   * Removes the server's own name of a finished file. This is the last fence before something is deleted, so it goes
   * by the place alone: `<BOT_API_DIR>/<this bot>/<type>/file_<N>…`. What lies elsewhere is left alone.
   */
  async discard(path: string): Promise<void> {
    if (this.#directory === undefined) return
    const name = this.#nameOf(await realpath(this.#directory), path)
    if (!name?.startsWith('file_')) return
    await removeFile(path).catch(async (error) => {
      // Never handed over: left by a crash, or removed before it was wanted.
      if (codeOf(error) !== 'EACCES' || !this.#helper) throw error
      await this.#helper.handOver(path)
      await removeFile(path)
    })
  }

  /** The name of a finished file of this bot; undefined for what lies elsewhere, such as its session with Telegram. */
  #nameOf(folder: string, path: string): string | undefined {
    const [bot, type, name, ...deeper] = relative(folder, path).split(sep)
    const isOurs = bot?.startsWith(`${this.#api.botId}:`) || bot?.startsWith(`${this.#api.botId}~`)
    return isOurs && type !== 'temp' && deeper.length === 0 ? name : undefined
  }

  /**
   * The server hangs up at 500 s without an answer, and the transfer goes on: asked again, it joins the one that
   * runs. An ok answer may lack the path; asked again, it has it.
   */
  async #ask(fileId: string, watched: Watched | undefined, signal: AbortSignal): Promise<Found> {
    const deadline = performance.now() + fetchTimeout
    for (let asks = 1; ; asks++) {
      const began = performance.now()
      const answer = await this.#getFile(fileId, deadline - began, signal)
      if (!(answer instanceof Error)) return answer
      if (performance.now() - began > atOnce) asks = 1
      if (asks >= maxAsks || performance.now() > deadline) throw answer
      await delay(200 * asks, undefined, { signal })
      await watched?.again()
    }
  }

  async #getFile(fileId: string, timeout: number, signal: AbortSignal): Promise<Found | Error> {
    try {
      const options = { timeout: Math.max(1, Math.ceil(timeout)), signal }
      const { file_path: path, file_size: size } = await this.#api.call<{
        file_path?: string
        file_size?: number
      }>('getFile', { file_id: fileId }, options)
      if (path === undefined) return new TelegramRefusal('getFile', 200, 'the answer has no file_path')
      return { path, size }
    } catch (error) {
      if (error instanceof TelegramUnreachable && error.code === 'CUT') return error
      throw error
    }
  }

  /** The path with its links resolved, which must be a finished file of this bot: the store takes it in by that name. */
  async #ours(path: string): Promise<string> {
    if (this.#directory === undefined) {
      throw new ForeignPath('the Bot API server answers with a path on its disk, but BOT_API_DIR is not set')
    }
    const [folder, file] = await Promise.all([realpath(this.#directory), realpath(path)])
    if (this.#nameOf(folder, file) === undefined) {
      throw new ForeignPath('what the Bot API server names is no finished file of this bot below BOT_API_DIR')
    }
    return file
  }
}

/** What getFile answers. */
interface Found {
  path: string
  /** Bytes, if the server says it. */
  size: number | undefined
}

/** A finished file that the server still has. */
export interface Leftover {
  path: string
  size: number
  /** When it was finished; milliseconds since 1970. */
  finishedAt: number
}

/** @throws StartError when the local server's folder is named but cannot be read. */
export async function checkBotApiDir(directory: string | undefined): Promise<void> {
  if (directory === undefined) return
  await readdir(directory).catch((error) => {
    throw new StartError(`BOT_API_DIR: ${directory} cannot be read (${codeOf(error)})`)
  })
}
