import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseUnwritable } from './errors.ts'

/** Bytes; enough for the database to record the end of everything that runs. */
export const reserveSize = 16 * 1024 * 1024

/** Bytes without which nothing is begun: the first word to the owner would not fit. */
const least = 1024 * 1024

const block = Buffer.alloc(1024 * 1024)

/** DiskSpace on the disk that is kept for the time when there is none: a file beside the database, given up when needed. */
export class Reserve {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async isHeld(): Promise<boolean> {
    return (await stat(this.#path).catch(() => undefined))?.size === reserveSize
  }

  /** @throws DatabaseUnwritable when the room is not held, and hardly any is left on the disk */
  async require(): Promise<void> {
    const left = await statfs(dirname(this.#path)).then(
      ({ bavail, bsize }) => bavail * bsize,
      // The folder is made with the database.
      () => Number.POSITIVE_INFINITY,
    )
    if (left >= least || (await this.isHeld())) return
    throw new DatabaseUnwritable(`DATABASE_URL: the disk of ${this.#path} is full`, 'its disk is full')
  }

  /** Takes the room. Written out, since a file with holes reserves nothing. @throws what the file system says */
  async hold(): Promise<void> {
    if (await this.isHeld()) return
    const file = await open(this.#path, 'w', 0o600)
    try {
      for (let written = 0; written < reserveSize; ) written += (await file.write(block)).bytesWritten
      await file.sync()
    } catch (error) {
      await this.release()
      throw error
    } finally {
      await file.close()
    }
  }

  /** Gives the room up. Returns false when there was none. */
  async release(): Promise<boolean> {
    const held = (await stat(this.#path).catch(() => undefined)) !== undefined
    await rm(this.#path, { force: true })
    return held
  }
}

/** The room that is kept for the database of a file. */
export function reserveOf(file: string): Reserve {
  return new Reserve(`${file}.reserve`)
}
