import type { Stats } from 'node:fs'
import { constants, copyFile, link, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { codeOf, StartError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { StoreSettings } from './settings.ts'

export { storeSettings } from './settings.ts'

/** How the bytes came in: another name for the same inode, shared blocks or a copy, or a stream. */
export type Intake = 'link' | 'copy' | 'stream'

/** Bytes that a file should have. */
export interface Expected {
  /** What was announced, if anything was. */
  size: number | undefined
  /** What is not kept in any case. */
  limit: number
}

export interface Room {
  /** What this process may still write. */
  free: number
  total: number
  /** What may be written before MIN_FREE_DISK is reached; negative when it has been. */
  spare: number
}

/** The bytes are not of the size that was announced; nothing was kept. */
export class SizeMismatch extends Error {
  override name = 'SizeMismatch'

  constructor(announced: number, actual: number) {
    super(`the file has ${actual} bytes instead of ${announced}`)
  }
}

/** The file is above its limit; nothing was kept. */
export class TooLarge extends Error {
  override name = 'TooLarge'
}

/**
 * Bytes under a UUID. Every UUID is a name of its own on its inode, so the file system counts the references: the
 * room comes back with the last name. A name appears only when all its bytes are on the disk.
 */
export class Store {
  readonly root: string
  readonly #minFree: (total: number) => number
  readonly #log: Log

  constructor(settings: StoreSettings, log: Log) {
    this.root = resolve(settings.STORAGE_PATH)
    this.#minFree = settings.MIN_FREE_DISK
    this.#log = log
  }

  /** Makes the folders. @throws StartError when the store cannot be written to */
  async open(): Promise<void> {
    try {
      for (const shard of this.shards) await mkdir(join(this.root, shard), { recursive: true })
      await rm(this.#incoming(), { recursive: true, force: true })
      await mkdir(this.#incoming())
    } catch (error) {
      throw new StartError(`STORAGE_PATH: ${this.root} cannot be written to (${codeOf(error)})`)
    }
  }

  /** The name below the store's root, which nginx knows as well. */
  nameOf(uuid: string): string {
    return `${uuid.slice(0, 2)}/${uuid}`
  }

  pathOf(uuid: string): string {
    return join(this.root, this.nameOf(uuid))
  }

  /** The kept file's facts, or undefined when there is none. */
  async stat(uuid: string): Promise<Stats | undefined> {
    return await stat(this.pathOf(uuid)).catch((error) => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    })
  }

  /**
   * Takes in a finished file under `uuid` without moving a byte where the file system allows it. May be repeated.
   * @throws SizeMismatch, TooLarge
   */
  async keep(uuid: string, source: string, { size, limit }: Expected): Promise<Intake> {
    // The size is looked at before the name appears, so that a wrong file is never there, not for a moment.
    const { size: actual } = await stat(source)
    if (size !== undefined && actual !== size) throw new SizeMismatch(size, actual)
    if (actual > limit) throw new TooLarge()
    const intake = await this.#linkOrCopy(uuid, source)
    await this.settle(uuid)
    return intake
  }

  /** Makes a name that is there readable to nginx and proof against a power cut; after a crash, perhaps again. */
  async settle(uuid: string): Promise<void> {
    const file = await open(this.pathOf(uuid), 'r')
    try {
      // TDLib makes its files 0640; the closed folder keeps others out, and nginx need not share a group with TDLib.
      await file.chmod(0o644)
      await Promise.all([file.sync(), this.#syncFolder(uuid)])
    } finally {
      await file.close()
    }
  }

  /**
   * Takes in a stream under `uuid`.
   * @throws SizeMismatch, TooLarge, and what the stream throws
   */
  async receive(
    uuid: string,
    stream: Readable,
    { size, limit, received }: Expected & { received: (bytes: number) => void },
  ): Promise<void> {
    const partial = join(this.#incoming(), uuid)
    const file = await open(partial, 'w', 0o644)
    let bytes = 0
    try {
      const counted = async function* () {
        for await (const chunk of stream) {
          bytes += chunk.length
          if (bytes > limit) throw new TooLarge()
          received(bytes)
          yield chunk
        }
      }
      await file.writeFile(counted())
      if (size !== undefined && bytes !== size) throw new SizeMismatch(size, bytes)
      await file.chmod(0o644)
      await file.sync()
      await rename(partial, this.pathOf(uuid))
      await this.#syncFolder(uuid)
    } finally {
      await file.close()
      await rm(partial, { force: true })
    }
  }

  /** Gives the bytes of `from` a second name, for a second link. Returns false when they are gone. */
  async share(from: string, uuid: string): Promise<boolean> {
    try {
      await this.#linkOrCopy(uuid, this.pathOf(from))
      await this.#syncFolder(uuid)
      return true
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** Removes one name; without complaint when there is none. */
  async remove(uuid: string): Promise<void> {
    await rm(this.pathOf(uuid), { force: true })
  }

  /** Bytes of the store's file system. */
  async room(): Promise<Room> {
    const { bavail, blocks, bsize } = await statfs(this.root)
    const [free, total] = [bavail * bsize, blocks * bsize]
    return { free, total, spare: free - this.#minFree(total) }
  }

  /** Whether MIN_FREE_DISK is reached: nothing more should be written, whatever it was promised. */
  async isLow(): Promise<boolean> {
    return (await this.room()).spare <= 0
  }

  /** The folders that the names are spread over. */
  get shards(): string[] {
    return Array.from({ length: 256 }, (_, shard) => shard.toString(16).padStart(2, '0'))
  }

  /** The UUIDs of all names in one shard. */
  async names(shard: string): Promise<string[]> {
    return await readdir(join(this.root, shard))
  }

  /** Writes and removes a file. @throws what the file system says */
  async probe(): Promise<void> {
    const name = join(this.#incoming(), `.probe-${process.pid}`)
    const file = await open(name, 'w')
    try {
      await file.write('tgdepot')
    } finally {
      await file.close()
      await rm(name, { force: true })
    }
  }

  async #linkOrCopy(uuid: string, source: string): Promise<Intake> {
    const target = this.pathOf(uuid)
    try {
      await link(source, target)
      return 'link'
    } catch (error) {
      const code = codeOf(error)
      if (code === 'EEXIST') {
        const [a, b] = await Promise.all([stat(source), stat(target)])
        if (a.ino === b.ino && a.dev === b.dev) return 'link'
        // A copy whose record was lost in a crash: its name appears only when it is whole.
        if (a.size === b.size) return 'copy'
        await rm(target)
        return await this.#linkOrCopy(uuid, source)
      }
      // EXDEV: another file system or mount. EPERM: another owner's file. EMLINK: ext4 allows 65000 names.
      if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK') throw error
      this.#log.warn({ code }, 'cannot hard-link into the store: the file is copied')
      await this.#copy(source, target, uuid)
      return 'copy'
    }
  }

  async #copy(source: string, target: string, uuid: string): Promise<void> {
    const partial = join(this.#incoming(), uuid)
    try {
      await copyFile(source, partial, constants.COPYFILE_FICLONE)
      const file = await open(partial, 'r')
      await file.sync().finally(() => file.close())
      await rename(partial, target)
    } finally {
      await rm(partial, { force: true })
    }
  }

  /** Without it a power cut may take back the name that a user was already told. */
  async #syncFolder(uuid: string): Promise<void> {
    const folder = await open(join(this.root, uuid.slice(0, 2)), 'r')
    await folder.sync().finally(() => folder.close())
  }

  #incoming(): string {
    return join(this.root, 'incoming')
  }
}
