import { stat, statfs } from 'node:fs/promises'

/** Room on one file system. */
export interface Room {
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

/** Room of each file system that holds one of the folders, each once; of folders that are not there, none. */
export async function roomsOf(
  folders: Watched[],
  minFree: (total: number) => number,
): Promise<(Room & { takesFiles: boolean })[]> {
  const byDevice = new Map<number, Watched[]>()
  for (const folder of folders) {
    const stats = await stat(folder.path).catch(() => undefined)
    if (stats) byDevice.set(stats.dev, [...(byDevice.get(stats.dev) ?? []), folder])
  }
  const rooms = [...byDevice.values()].map(async (together) => {
    const { bavail, blocks, bsize } = await statfs((together[0] as Watched).path)
    const [free, total] = [bavail * bsize, blocks * bsize]
    // A small partition of the database's own would be low for ever by a minimum that is meant for files.
    const isStore = together.some(({ path }) => path === folders[0]?.path)
    const least = isStore ? minFree(total) : Math.min(minFree(total), total * mostElsewhere)
    return {
      of: together.map(({ name }) => name).join(' and '),
      free,
      total,
      spare: free - least,
      margin: least / 10,
      takesFiles: together.some(({ takesFiles }) => takesFiles),
    }
  })
  return await Promise.all(rooms)
}
