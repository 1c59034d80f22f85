import type { Stats } from 'node:fs'
import { constants, copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Database } from '../core/database/database.ts'
import type { Queries } from '../core/database/reader.ts'
import { codeOf } from '../core/errors.ts'
import { InTime, NoAnswer } from '../core/in-time.ts'
import type { Log } from '../core/log.ts'
import { removeFile } from '../core/remove-file.ts'
import { isGone, thisWorker } from '../core/worker.ts'
import { type DiskSpace, Disks } from './disk-space.ts'
import { type Claims, Identity, readMarker } from './identity.ts'
import { incoming, nameOf, shards } from './layout.ts'
import { Presence, patience } from './presence.ts'
import { Quarantine } from './quarantine.ts'
import type { StoreSettings } from './settings.ts'

/** How the bytes came in: another name for the same inode, shared blocks or a copy, or a stream. */
export type Intake = 'link' | 'copy' | 'stream'

/** A file that was taken in. */
export interface Kept {
  intake: Intake
  size: number
}

/** Bytes that a file should have. */
export interface Expected {
  /** What was announced, if anything was. */
  size: number | undefined
  /** What is not kept in any case. */
  limit: number
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

/** Milliseconds after which nobody writes a half-written file any more, whosever it is. */
const abandonedAfter = 86_400_000

/** Why the folder is not the store that this database describes, if it describes one; undefined when it is. */
export async function whyAbsent(root: string, database: Queries): Promise<string | undefined> {
  return await new Identity(root, database).absence({ ifKnown: true })
}

/** Whether the folder is a store with files, and this database, which is a new one if any, describes none. */
export async function isUnknownTo(database: Queries | undefined, root: string): Promise<boolean> {
  return await new Identity(root, database ?? { query: async () => [] }).isUnknown()
}

/**
 * Bytes under a UUID. Every UUID is a name of its own on its inode, so the file system counts the references: the
 * room comes back with the last name. A name appears only when all its bytes are on the disk.
 */
export class Store {
  readonly root: string
  /** What nobody knows, out of reach and not yet removed. */
  readonly quarantine: Quarantine
  readonly #log: Log
  readonly #rooms: Disks
  readonly #marker: InTime<string | undefined>
  readonly #probing = new InTime(() => this.#probe(), patience)
  #identity: Identity | undefined
  #presence: Presence | undefined
  #worker = thisWorker()
  #isCleared = false

  constructor(settings: StoreSettings, log: Log) {
    this.root = resolve(settings.STORAGE_PATH)
    this.quarantine = new Quarantine(this.root)
    this.#log = log
    this.#rooms = new Disks(settings.MIN_FREE_DISK)
    this.#rooms.watch({ name: 'the store', path: this.root, takesFiles: true })
    this.#marker = new InTime(() => readMarker(this.root), patience)
  }

  /** Names the database that describes this store. Without one it is a store for readers: any marker will do. */
  attach(database: Database): void {
    const identity = new Identity(this.root, database)
    this.#identity = identity
    this.#presence = new Presence({ identity, makeFolders: () => this.#makeFolders(), log: this.#log })
    const { file } = database
    if (file !== undefined)
      this.#rooms.watch({ name: 'the database', path: dirname(file), takesFiles: false })
  }

  /**
   * Makes sure that folder and database belong together, and makes the folders. A store that is not there is waited
   * for: {@link look} finds it when it comes.
   * @param claims what the links say of it
   * @param botApi the local Bot API server's folder, where files come in: its disk must not run full either
   * @param worker this process; see `thisWorker`
   * @throws StartError when it belongs to another database, or a new one cannot be written
   */
  async open(claims: () => Promise<Claims>, botApi?: string, worker = thisWorker()): Promise<void> {
    this.#worker = worker
    if (botApi !== undefined)
      this.#rooms.watch({ name: 'the Bot API server', path: botApi, takesFiles: true })
    await this.#presence?.begin(claims)
  }

  /** Whether the store was there when somebody last looked: at intervals, and before each change. */
  get isThere(): boolean {
    return (this.#presence?.isThere ?? false) && !this.#probing.isLate
  }

  /** Whether its disk hangs, as far as known: looks and probes do not come back. */
  get isSilent(): boolean {
    return (this.#presence?.isSilent ?? false) || this.#probing.isLate
  }

  /**
   * Looks whether the store is there: its disk can go, or another one come in its place, at any time. To be asked
   * directly before anything is removed, or taken for missing.
   */
  async look(): Promise<boolean> {
    if (this.#presence) {
      await this.#presence.look()
      return this.isThere
    }
    return (await this.#marker.ask().catch(() => undefined)) !== undefined
  }

  /** The owner's word that this folder is the store of this database, whatever they say of each other. */
  async accept(): Promise<void> {
    await this.#identity?.accept()
  }

  /** The name below the store's root, which nginx knows as well. */
  nameOf(uuid: string): string {
    return nameOf(uuid)
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
   * @param ready resolves when it may be linked
   * @throws SizeMismatch, TooLarge, StoreAbsent, and why it is not ready
   */
  async importFile(
    uuid: string,
    source: string,
    { size, limit }: Expected,
    ready: Promise<void> = Promise.resolve(),
  ): Promise<Kept> {
    // The size is looked at before the name appears, so that a wrong file is never there, not for a moment.
    const [{ size: actual }] = await Promise.all([stat(source), this.#require(), ready])
    if (size !== undefined && actual !== size) throw new SizeMismatch(size, actual)
    if (actual > limit) throw new TooLarge()
    const intake = await this.#inFolders(() => this.#linkOrCopy(uuid, source))
    return { intake, size: await this.settle(uuid) }
  }

  /**
   * Makes a name that is there readable to nginx and proof against a power cut; after a crash, perhaps again. Returns how
   * many bytes it has.
   */
  async settle(uuid: string): Promise<number> {
    const [size] = await Promise.all([this.#syncFile(uuid), this.#syncFolder(uuid)])
    return size
  }

  /**
   * Takes in a stream under `uuid`. Returns how many bytes came.
   * @throws SizeMismatch, TooLarge, StoreAbsent, and what the stream throws
   */
  async importStream(
    uuid: string,
    stream: Readable,
    { size, limit, received }: Expected & { received: (bytes: number) => void },
  ): Promise<number> {
    await this.#require()
    const partial = this.#partial(uuid)
    const file = await this.#inFolders(() => open(partial, 'w', 0o644))
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
      await this.#require()
      await this.#inFolders(() => rename(partial, this.pathOf(uuid)))
      await this.#syncFolder(uuid)
      return bytes
    } finally {
      await file.close()
      await rm(partial, { force: true })
    }
  }

  /**
   * Gives the bytes of `from` a second name, for a second link. Returns false when they are gone, or not of their size:
   * a damaged file must not be given to others.
   * @throws StoreAbsent
   */
  async linkExisting(from: string, uuid: string, size: number): Promise<boolean> {
    await this.#require()
    try {
      const { size: actual } = await stat(this.pathOf(from))
      if (actual !== size) {
        this.#log.error({ uuid: from, size, actual }, 'a file in the store is not of its size')
        return false
      }
      await this.#inFolders(() => this.#linkOrCopy(uuid, this.pathOf(from)))
      await this.#syncFolder(uuid)
      return true
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** Removes one name; without complaint when there is none, so {@link look} first. */
  async remove(uuid: string): Promise<void> {
    await removeFile(this.pathOf(uuid))
  }

  /** DiskSpace of each file system that holds a part of the context. */
  async disks(): Promise<DiskSpace[]> {
    return await this.#rooms.look()
  }

  /** The tightest of the file systems that files pass; without end when none can be seen, and files wait anyway. */
  async space(): Promise<DiskSpace> {
    const [tightest] = (await this.#rooms.look())
      .filter(({ takesFiles }) => takesFiles)
      .sort((a, b) => a.spare - b.spare)
    const endless = Number.POSITIVE_INFINITY
    return tightest ?? { of: 'the store', free: endless, total: endless, spare: endless, margin: 0 }
  }

  /** Whether MIN_FREE_DISK is reached anywhere: nothing more should be written, whatever it was promised. */
  async isLow(): Promise<boolean> {
    return (await this.#rooms.look()).some(({ spare }) => spare <= 0)
  }

  /** The folders that the names are spread over. */
  get shards(): string[] {
    return shards
  }

  /** The UUIDs of all names in one shard. */
  async names(shard: string): Promise<string[]> {
    return await readdir(join(this.root, shard))
  }

  /** Writes and removes a file. @throws StoreAbsent, NoAnswer, and what the file system says */
  async probe(): Promise<void> {
    await this.#probing.ask()
  }

  async #probe(): Promise<void> {
    await this.#presence?.require()
    await this.#inFolders(() => this.#tryWrite())
  }

  async #tryWrite(): Promise<void> {
    const name = this.#partial('.probe')
    const file = await open(name, 'w')
    try {
      await file.write('tgdepot')
    } finally {
      await file.close()
      await rm(name, { force: true })
    }
  }

  /** @throws StoreAbsent, NoAnswer */
  async #require(): Promise<void> {
    await this.#presence?.require()
    if (this.isSilent) throw new NoAnswer()
  }

  /** Only in a store that has its marker: on a mount point they would take in files that a mount then covers. */
  async #makeFolders(): Promise<void> {
    await this.#clearIncoming()
    // One look: to make all of them again takes a twentieth of each start.
    const entries = await readdir(this.root, { withFileTypes: true })
    const there = new Set(entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name))
    for (const folder of [...shards, incoming])
      if (!there.has(folder)) await mkdir(join(this.root, folder), { recursive: true })
    // A disk that hangs at each write is to hang here, where it is waited for so long only, and not with the first file.
    await this.#tryWrite().catch(() => {})
  }

  /** Half-written files of processes that have ended; other processes may be at theirs. */
  async #clearIncoming(): Promise<void> {
    if (this.#isCleared) return
    const folder = join(this.root, incoming)
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      if (!(await this.#isLeftover(name, path))) continue
      await rm(path, { recursive: true, force: true }).catch((error) =>
        this.#log.error({ error }, 'a half-written file of an earlier run cannot be removed'),
      )
    }
    this.#isCleared = true
  }

  async #isLeftover(name: string, path: string): Promise<boolean> {
    const [, worker] = /^.[^.]*\.(.+)$/.exec(name) ?? []
    // Earlier releases name nobody: of theirs, none runs beside this one.
    if (worker === undefined || isGone(worker, this.#worker)) return true
    // Of another machine nobody can tell; but what is written grows.
    const written = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    )
    return Date.now() - written > abandonedAfter
  }

  /** Makes the folders anew when one is missing: somebody has removed what was empty. */
  async #inFolders<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      await this.#require()
      await this.#makeFolders()
      return await work()
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
        await removeFile(target)
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
    const partial = this.#partial(uuid)
    try {
      await copyFile(source, partial, constants.COPYFILE_FICLONE)
      const file = await open(partial, 'r')
      await file.sync().finally(() => file.close())
      await rename(partial, target)
    } finally {
      await rm(partial, { force: true })
    }
  }

  async #syncFile(uuid: string): Promise<number> {
    const file = await open(this.pathOf(uuid), 'r')
    try {
      // TDLib makes its files 0640; the closed folder keeps others out, and nginx need not share a group with TDLib.
      // One that is another user's was opened for everyone by that user.
      const { mode, size } = await file.stat()
      if ((mode & 0o444) !== 0o444) await file.chmod(0o644)
      await file.sync()
      return size
    } finally {
      await file.close()
    }
  }

  /** Without it a power cut may take back the name that a user was already told. */
  async #syncFolder(uuid: string): Promise<void> {
    const folder = await open(join(this.root, uuid.slice(0, 2)), 'r')
    await folder.sync().finally(() => folder.close())
  }

  #partial(name: string): string {
    return join(this.root, incoming, `${name}.${this.#worker}`)
  }
}
