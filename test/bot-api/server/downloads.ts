import { existsSync } from 'node:fs'
import { type FileHandle, lstat, realpath } from 'node:fs/promises'
import type { Cloud } from '../cloud/cloud.ts'
import { openBytes, type PartReader } from '../cloud/file-bytes.ts'
import type { CloudFile } from '../cloud/records.ts'
import { type ApiError, transferFailed } from './api-error.ts'
import type { BotFolder } from './bot-folder.ts'
import type { Faults } from './faults.ts'
import type { Log } from './log.ts'
import type { ServerParts } from './parts.ts'
import type { LiveSettings } from './settings.ts'

const PART_BYTES = 1 << 20
const SMALLEST_PART_BYTES = 4096

type Finished = { path: string; mtimeMs: number }
type Waiter = { resolve: (path: string) => void; reject: (error: ApiError) => void }

type Transfer = {
  file: CloudFile
  folder: string
  extension: string
  partBytes: number
  partsDone: number
  received: number
  temp: { path: string; handle: FileHandle } | undefined
  reader: PartReader | undefined
  waiters: Waiter[]
}

/**
 * The transfers of one bot. One part at a time is fetched, always for the transfer that was asked for last,
 * as the real server's queue does: an old big transfer starves behind new ones.
 */
export class Downloads {
  readonly #cloud: Cloud
  readonly #folder: BotFolder
  readonly #settings: LiveSettings
  readonly #faults: Faults
  readonly #log: Log
  /** First = asked for last. */
  readonly #queue: Transfer[] = []
  /** Failed ones keep their partial file; the next call for that file goes on from there. */
  readonly #stopped = new Map<number, Transfer>()
  readonly #finished = new Map<number, Finished>()
  #loop: Promise<void> | undefined
  #closed = false
  #paidUntil = 0

  constructor(server: Pick<ServerParts, 'cloud' | 'settings' | 'faults' | 'log'>, folder: BotFolder) {
    this.#cloud = server.cloud
    this.#settings = server.settings
    this.#faults = server.faults
    this.#log = server.log
    this.#folder = folder
  }

  /** The path of the complete file; waits until it is complete. Rejects with an ApiError. */
  async fetch(file: CloudFile, folder: string, extension: string): Promise<string> {
    if (this.#closed) throw transferFailed()
    const finished = this.#finished.get(file.id)
    if (finished) {
      if (await isUntouched(finished)) return finished.path
      this.#finished.delete(file.id)
    }
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const transfer = this.#takeOrStart(file, folder, extension)
    transfer.waiters.push({ resolve, reject })
    this.#queue.unshift(transfer)
    this.#settings.wake()
    this.#loop ??= this.#run()
    return promise
  }

  get underWay(): { file_unique_id: string; received: number; size: number }[] {
    return this.#queue.map(({ file, received }) => ({
      file_unique_id: file.unique_id,
      received,
      size: file.size,
    }))
  }

  /** Ends every transfer with this error; afterwards nothing writes into the bot's folder any more. */
  async close(error: ApiError): Promise<void> {
    this.#closed = true
    const transfers = [...this.#queue, ...this.#stopped.values()]
    for (const transfer of transfers) for (const waiter of transfer.waiters.splice(0)) waiter.reject(error)
    this.#settings.wake()
    await this.#loop
    await Promise.all(transfers.map(release))
  }

  #takeOrStart(file: CloudFile, folder: string, extension: string): Transfer {
    const at = this.#queue.findIndex((transfer) => transfer.file.id === file.id)
    if (at >= 0) return this.#queue.splice(at, 1)[0] as Transfer
    const stopped = this.#stopped.get(file.id)
    this.#stopped.delete(file.id)
    if (stopped?.temp && existsSync(stopped.temp.path)) return stopped
    if (stopped) void release(stopped)
    const partBytes = this.#partBytes()
    const counts = { partBytes, partsDone: 0, received: 0, waiters: [] }
    return { file, folder, extension, ...counts, temp: undefined, reader: undefined }
  }

  /** Small enough for some parts a second, so that a slow transfer is seen to grow. */
  #partBytes(): number {
    const rate = this.#settings.now.download_bytes_per_second
    if (rate === null) return PART_BYTES
    const wanted = 2 ** Math.floor(Math.log2(Math.max(rate, 1) / 8))
    return Math.min(PART_BYTES, Math.max(SMALLEST_PART_BYTES, wanted))
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#queue.length > 0) {
      if (!(await this.#mayFetch())) continue
      const transfer = this.#queue.find((transfer) => !this.#isStalled(transfer))
      if (!transfer) {
        await this.#settings.pause(Number.POSITIVE_INFINITY)
        continue
      }
      try {
        await this.#fetchPart(transfer)
        if (transfer.received >= transfer.file.size) await this.#complete(transfer)
      } catch (error) {
        this.#log(2, `Download of ${transfer.file.unique_id} failed: ${error}`)
        this.#stop(transfer)
      }
    }
    this.#loop = undefined
  }

  #isStalled({ file, received }: Transfer): boolean {
    return received >= (this.#settings.now.stalled_files[file.unique_id] ?? Number.POSITIVE_INFINITY)
  }

  /** False if the caller is to look again: the bandwidth has not let a part through yet. */
  async #mayFetch(): Promise<boolean> {
    const { download_bytes_per_second: rate, is_connected } = this.#settings.now
    if (!is_connected) {
      await this.#settings.pause(Number.POSITIVE_INFINITY)
      return false
    }
    if (rate === null) {
      this.#paidUntil = 0
      return true
    }
    const wait = rate === 0 ? Number.POSITIVE_INFINITY : this.#paidUntil - Date.now()
    if (wait <= 0) return true
    await this.#settings.pause(wait)
    return false
  }

  async #fetchPart(transfer: Transfer): Promise<void> {
    const { file, partBytes } = transfer
    const fault = this.#faults.take('download', { received: transfer.received })
    if (fault) throw transferFailed()
    const offset = partAt(transfer.partsDone, Math.ceil(file.size / partBytes)) * partBytes
    const part = Buffer.allocUnsafe(Math.min(partBytes, file.size - offset))
    const rate = this.#settings.now.download_bytes_per_second
    if (rate) this.#paidUntil = Math.max(this.#paidUntil, Date.now() - 100) + (part.length / rate) * 1000
    transfer.reader ??= await openBytes(this.#cloud, file)
    await transfer.reader.read(offset, part)
    transfer.temp ??= await this.#folder.createPart()
    const { bytesWritten } = await transfer.temp.handle.write(part, 0, part.length, offset)
    if (bytesWritten < part.length) throw new Error('The disk is full')
    transfer.partsDone++
    transfer.received += part.length
  }

  async #complete(transfer: Transfer): Promise<void> {
    const { file, folder, extension, temp } = transfer
    if (!temp) throw transferFailed()
    await release(transfer)
    const finished = await this.#folder.finish(temp.path, folder, extension)
    this.#finished.set(file.id, finished)
    this.#queue.splice(this.#queue.indexOf(transfer), 1)
    for (const waiter of transfer.waiters.splice(0)) waiter.resolve(finished.path)
  }

  #stop(transfer: Transfer): void {
    this.#queue.splice(this.#queue.indexOf(transfer), 1)
    if (transfer.received < transfer.file.size) this.#stopped.set(transfer.file.id, transfer)
    else void release(transfer)
    for (const waiter of transfer.waiters.splice(0)) waiter.reject(transferFailed())
  }
}

/** Two parts are in flight and the second of a pair arrives first. */
function partAt(index: number, count: number): number {
  const swapped = index ^ 1
  return swapped < count ? swapped : index
}

async function isUntouched({ path, mtimeMs }: Finished): Promise<boolean> {
  try {
    const found = await lstat(path)
    return found.isFile() && found.size > 0 && found.mtimeMs === mtimeMs && (await realpath(path)) === path
  } catch {
    return false
  }
}

async function release(transfer: Transfer): Promise<void> {
  const { reader, temp } = transfer
  transfer.reader = undefined
  await reader?.close()
  await temp?.handle.close()
}
