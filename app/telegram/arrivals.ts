import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds between two looks at the growing files. */
const watchEvery = 25

/** Bytes that may wait to be written to the disk before they are pushed there. */
const maxUnwritten = 4 * 1024 * 1024

/** A file that the server is asked for. */
export interface Arrival {
  /** Bytes that Telegram announced, if it did. */
  size: number | undefined
  /** Told the bytes on the disk as they come; not at all while nobody can tell which partial file is this one's. */
  received: (bytes: number) => void
}

interface Partial {
  /** On the disk: parts come out of order, and what lies between them takes no room. */
  bytes: number
  length: number
}

interface Awaited extends Arrival {
  before: Map<string, Partial>
  /** Its partial file, once that is known. */
  name: string | undefined
  /** A partial file without an owner may belong to one that was given up: none is taken for this one's any more. */
  isSettled: boolean
}

/**
 * The partial files of one bot. The server does not say how far a transfer is, nor which entry of its `temp` it writes
 * to: the entry is new since the transfer was asked for, or grows, and is no longer than announced. What may be the
 * file of several transfers is nobody's until the others have theirs. All that comes is pushed to the disk at once, so
 * that little is left to write between the server's answer and ours, which must survive a power cut.
 */
export class Arrivals {
  readonly #folder: string
  readonly #awaited = new Set<Awaited>()
  #last = new Map<string, Partial>()
  readonly #written = new Map<string, number>()
  #isWatching = false

  /** @param folder the server's `temp` of the bot */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Begins to look for a file. Ask the server for it after this, and end it with what this returns. */
  async begin(arrival: Arrival): Promise<(isThere: boolean) => void> {
    const awaited: Awaited = { ...arrival, before: await this.#look(), name: undefined, isSettled: false }
    this.#awaited.add(awaited)
    if (!this.#isWatching) void this.#watch()
    return (isThere) => {
      this.#awaited.delete(awaited)
      // The server goes on with one that was given up.
      if (!isThere) for (const other of this.#awaited) other.isSettled = true
    }
  }

  /** Bytes on the disk of all partial files. */
  async bytes(): Promise<number> {
    return [...(await this.#look()).values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  async #watch(): Promise<void> {
    this.#isWatching = true
    this.#last = await this.#look()
    while (this.#awaited.size > 0) {
      await delay(watchEvery, undefined, { ref: false })
      const now = await this.#look()
      const grown = [...now].filter(([name, { bytes }]) => bytes > (this.#last.get(name)?.bytes ?? 0))
      this.#last = now
      this.#assign(now, new Set(grown.map(([name]) => name)))
      for (const { name, received } of this.#awaited) {
        if (name !== undefined) received(now.get(name)?.bytes ?? 0)
      }
      for (const [name, { bytes }] of grown) await this.#writeOut(name, bytes)
    }
    this.#written.clear()
    this.#isWatching = false
  }

  #assign(now: Map<string, Partial>, grown: Set<string>): void {
    const all = [...this.#awaited]
    for (const one of all) if (one.name !== undefined && !fits(one, one.name, now)) one.name = undefined
    const owned = new Set(all.map(({ name }) => name))
    const options = (one: Awaited) =>
      [...now.keys()].filter((name) => !owned.has(name) && fits(one, name, now))
    /** Gives each of `some` an entry that can be no other's of them; that may leave one to another. */
    const give = (some: Awaited[], isWanted: (one: Awaited, name: string) => boolean) => {
      const open = new Set(some)
      for (let found = true; found; ) {
        found = false
        for (const one of open) {
          const others = [...open].filter((other) => other !== one).flatMap(options)
          const mine = options(one).filter((name) => !others.includes(name) && isWanted(one, name))
          const best = mine.sort((a, b) => rank(one, b, now) - rank(one, a, now))[0]
          if (best === undefined || one.isSettled) continue
          one.name = best
          owned.add(best)
          open.delete(one)
          found = true
        }
      }
      return [...open]
    }
    const left = give(
      all.filter(({ name }) => name === undefined),
      () => true,
    )
    // A server that was started anew writes to a new entry and leaves the old one as it is.
    const stalled = all.filter(({ name }) => name !== undefined && !grown.has(name))
    if (left.length === 0) give(stalled, (one, name) => grown.has(name) && !one.before.has(name))
  }

  async #writeOut(name: string, bytes: number): Promise<void> {
    if (bytes - (this.#written.get(name) ?? 0) < maxUnwritten) return
    this.#written.set(name, bytes)
    // Finished in the meantime, and so renamed; or a fault of the disk, which is met again where it counts.
    const file = await open(join(this.#folder, name), 'r').catch(() => undefined)
    await file
      ?.datasync()
      .catch(() => {})
      .finally(() => file.close())
  }

  async #look(): Promise<Map<string, Partial>> {
    const names = await readdir(this.#folder).catch(() => [])
    const entries = await Promise.all(
      names.map(async (name): Promise<[string, Partial] | undefined> => {
        const found = await stat(join(this.#folder, name)).catch(() => undefined)
        return found && [name, { bytes: Math.min(found.blocks * 512, found.size), length: found.size }]
      }),
    )
    return new Map(entries.filter((entry) => entry !== undefined))
  }
}

/** Whether an entry can be the file that is awaited. */
function fits({ before, size }: Awaited, name: string, now: Map<string, Partial>): boolean {
  const entry = now.get(name)
  if (!entry || (size !== undefined && entry.length > size)) return false
  return entry.bytes > (before.get(name)?.bytes ?? 0)
}

/** New entries before old ones that grow, and then the largest. */
function rank({ before }: Awaited, name: string, now: Map<string, Partial>): number {
  return (before.has(name) ? 0 : Number.MAX_SAFE_INTEGER / 2) + (now.get(name)?.bytes ?? 0)
}
