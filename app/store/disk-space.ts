import { stat, statfs } from 'node:fs/promises'
import { InTime } from '../core/in-time.ts'

/** DiskSpace on one file system. */
export interface DiskSpace {
  /** Whose folders lie on it, for people: `the store and the database`. */
  of: string
  /** What this process may still write. */
  free: number
  total: number
  /** What may be written before MIN_FREE_DISK is reached; negative when it has been. */
  spare: number
  /** What {@link spare} must exceed for a file system that was low to count as well again. */
  margin: number
}

/** A folder that must not run out of room. */
export interface Watched {
  /** For people. */
  name: string
  path: string
  /** Whether the files that come in pass here. */
  takesFiles: boolean
}

/** Of a file system that does not hold the store, no more than this share is kept free. */
const mostElsewhere = 0.1

/** Milliseconds for a disk to say how full it is; transactions wait for that. Later, the last answer counts. */
const patience = 1000

/** Milliseconds for which an answer counts: a crowd asks a thousand times a second. */
const fresh = 100

interface Facts {
  device: number
  free: number
  total: number
}

/** DiskSpace of each file system that holds one of the folders. */
export class Disks {
  readonly #minFree: (total: number) => number
  #lookedAt = Number.NEGATIVE_INFINITY
  readonly #folders: { watched: Watched; asked: InTime<Facts | undefined>; last?: Facts | undefined }[] = []

  /** @param minFree bytes to keep free on the first folder's file system, of so many in all */
  constructor(minFree: (total: number) => number) {
    this.#minFree = minFree
  }

  watch(watched: Watched): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY
    this.#folders.push({ watched, asked: new InTime(() => factsOf(watched.path), patience) })
  }

  /** Each file system once; none of folders that are not there. One that hangs is as it was. */
  async look(): Promise<(DiskSpace & { takesFiles: boolean })[]> {
    if (performance.now() - this.#lookedAt >= fresh) await this.#measure()
    const byDevice = Map.groupBy(
      this.#folders.filter(({ last }) => last !== undefined),
      ({ last }) => last?.device,
    )
    return [...byDevice.values()].map((together) =>
      this.#roomOf(
        together.map(({ watched }) => watched),
        together[0]?.last as Facts,
      ),
    )
  }

  async #measure(): Promise<void> {
    await Promise.all(
      this.#folders.map(async (folder) => {
        const facts = await folder.asked.ask().catch(() => folder.last)
        folder.last = facts
      }),
    )
    this.#lookedAt = performance.now()
  }

  #roomOf(together: Watched[], { free, total }: Facts): DiskSpace & { takesFiles: boolean } {
    // A small partition of the database's own would be low for ever by a minimum that is meant for files.
    const isStore = together.some((watched) => watched === this.#folders[0]?.watched)
    const least = isStore ? this.#minFree(total) : Math.min(this.#minFree(total), total * mostElsewhere)
    return {
      of: together.map(({ name }) => name).join(' and '),
      free,
      total,
      spare: free - least,
      margin: least / 10,
      takesFiles: together.some(({ takesFiles }) => takesFiles),
    }
  }
}

async function factsOf(path: string): Promise<Facts | undefined> {
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) return undefined
  const { bavail, blocks, bsize } = await statfs(path)
  return { device: stats.dev, free: bavail * bsize, total: blocks * bsize }
}
