import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../core/errors.ts'
import { removeFile } from '../core/remove-file.ts'
import { nameOf, quarantine } from './layout.ts'

const day = 86_400_000

/** Files that one run may remove. */
const maxOutdated = 10_000

/** Days for which a file that nobody knows can be had back. */
export const quarantineDays = 7

/** A name in a folder of the store. */
export interface Place {
  shard: string
  name: string
}

/**
 * Files that nobody knows, out of reach of every link and not yet removed: `quarantine/<day of entry>/<shard>/<name>`.
 * The day is recorded by the folder, since a file's times say nothing of it. Moves are renames: no byte is copied, and
 * a crash leaves each file in one of its two places.
 */
export class Quarantine {
  readonly #store: string
  readonly #root: string

  constructor(store: string) {
    this.#store = store
    this.#root = join(store, quarantine)
  }

  /** Moves a file in. Returns false when it is not there any more. */
  async put({ shard, name }: Place, now: number): Promise<boolean> {
    const from = join(this.#store, shard, name)
    const to = join(this.#root, new Date(now).toISOString().slice(0, 10), shard, name)
    try {
      await mkdir(dirname(to), { recursive: true })
      const there = await statOf(to)
      // Two names of one inode: rename(2) would leave both where they are.
      if (there && there.ino === (await statOf(from))?.ino) await removeFile(from)
      else await rename(from, there ? `${to}.${now}` : to)
      return true
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** Puts a file back in its place. Returns false when there is none of this name, or one is in its place already. */
  async takeBack({ shard, name }: Place): Promise<boolean> {
    const to = join(this.#store, shard, name)
    if (await statOf(to)) return false
    // The newest first: it is the one that was in use last.
    for (const date of (await this.#days()).reverse()) {
      try {
        await rename(join(this.#root, date, shard, name), to)
        return true
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
    return false
  }

  /** The names that it holds of one shard. */
  async namesOf(shard: string): Promise<Set<string>> {
    const days = await this.#days()
    const names = await Promise.all(days.map((date) => namesIn(join(this.#root, date, shard))))
    return new Set(names.flat())
  }

  /** Everything in it. */
  async list(): Promise<Place[]> {
    const places: Place[] = []
    for (const date of await this.#days()) {
      for (const shard of await namesIn(join(this.#root, date))) {
        for (const name of await namesIn(join(this.#root, date, shard))) places.push({ shard, name })
      }
    }
    return places
  }

  /**
   * The paths of up to 10 000 files that have been in it for {@link quarantineDays} at `now`, by a clock that is right.
   * @param since the moment before which that clock was not: what came in earlier counts from then
   */
  async outdated(now: number, since = 0): Promise<string[]> {
    const paths: string[] = []
    for (const date of await this.#days()) {
      // The last ones of a day came in at its end.
      const entered = Math.max(Date.parse(date) + day, since)
      if (entered + quarantineDays * day > now) break
      for (const shard of await namesIn(join(this.#root, date))) {
        const folder = join(this.#root, date, shard)
        const names = await namesIn(folder)
        if (names.length === 0) await rmdir(folder).catch(() => {})
        paths.push(...names.map((name) => join(folder, name)))
        if (paths.length >= maxOutdated) return paths
      }
      // Of a day that is empty; one that is not stays.
      await rmdir(join(this.#root, date)).catch(() => {})
    }
    return paths
  }

  /** Removes for good one that is {@link outdated}. */
  async remove(path: string): Promise<void> {
    await removeFile(path).catch(async (error) => {
      if (codeOf(error) !== 'EISDIR') throw error
      await rm(path, { recursive: true, force: true })
    })
  }

  /** Removes for good all that came in under a name. */
  async removeNamed(name: string): Promise<void> {
    for (const date of await this.#days()) {
      const folder = dirname(join(this.#root, date, nameOf(name)))
      const names = (await namesIn(folder)).filter((found) => found === name || found.startsWith(`${name}.`))
      for (const found of names) await this.remove(join(folder, found))
    }
  }

  /** The dated folders, oldest first; anything else that lies there is nobody's business. */
  async #days(): Promise<string[]> {
    return (await namesIn(this.#root)).filter((name) => /^\d{4}-\d{2}-\d{2}$/.test(name)).sort()
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error) => {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return []
    throw error
  })
}

async function statOf(path: string) {
  return await stat(path).catch((error) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
}
