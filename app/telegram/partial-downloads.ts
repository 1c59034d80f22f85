import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds between two looks at the growing files. */
const watchEvery = 25

/** Bytes that may wait to be written to the disk before they are pushed there. */
const maxUnwritten = 4 * 1024 * 1024

/** Transfers that were given up and are remembered. */
const maxGivenUp = 100

/** A file that the server is asked for. */
export interface PartialDownload {
  fileId: string
  /** Bytes that Telegram announced, if it did. */
  size: number | undefined
  /** Told the bytes on the disk as they come; not at all while nobody can tell which partial file is this one's. */
  received: (bytes: number) => void
  /** Told that something has come that is most likely its. */
  grew?: () => void
}

/** A transfer that is watched. */
export interface Watched {
  /** Whether more than announced has come of it. */
  hasOutgrown(): boolean
  /**
   * Milliseconds without growth while it was the newest that the server was asked for, or while none grew at all: an
   * older one that stands still beside one that grows only waits for it.
   */
  quiet(): number
  /** The server is asked anew, and may begin anew. */
  again(): Promise<void>
  end(isThere: boolean): void
}

interface Partial {
  /** On the disk: parts come out of order, and what lies between them takes no room. */
  bytes: number
  length: number
}

interface Transfer extends PartialDownload {
  /** False once it was given up: the server goes on with it all the same. */
  isAwaited: boolean
  /** What there was when the server was asked. */
  before: Map<string, Partial>
  /** Its partial file, once that is known. */
  name: string | undefined
  /** Its partial file that is longer than announced, also while it was given up. */
  outgrown: string | undefined
  quiet: number
  /** Milliseconds since any of them grew or was there. */
  still: number
}

/**
 * The partial files of one bot. The server does not say how far a transfer is, nor which entry of its `temp` it writes
 * to. An entry can be a transfer's if it has grown since the server was asked, and is no longer than announced; it is
 * the transfer's when it can be no other's, and stays so until it is gone, or too long. One that is too long for all is
 * of a file that is larger than announced. Transfers that were given up, which the server goes on with, count among the
 * others. All that comes is pushed to the disk at once, so that little is left to write between the server's answer and
 * ours, which must survive a power cut.
 */
export class PartialDownloads {
  readonly #folder: string
  readonly #transfers = new Set<Transfer>()
  #last = new Map<string, Partial>()
  readonly #written = new Map<string, number>()
  #isWatching = false

  /** @param folder the server's `temp` of the bot */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Begins to look for a file. Ask the server for it after this. */
  async begin(arrival: PartialDownload): Promise<Watched> {
    const before = await this.#look()
    let outgrown: string | undefined
    for (const other of this.#transfers) {
      if (other.isAwaited || other.fileId !== arrival.fileId) continue
      outgrown = other.outgrown
      this.#transfers.delete(other)
    }
    const transfer: Transfer = {
      ...arrival,
      isAwaited: true,
      before,
      name: undefined,
      outgrown,
      quiet: 0,
      still: 0,
    }
    this.#transfers.add(transfer)
    if (!this.#isWatching) void this.#watch(before)
    return {
      hasOutgrown: () => transfer.name !== undefined && transfer.name === transfer.outgrown,
      quiet: () => Math.max(transfer.quiet, transfer.still),
      again: async () => {
        transfer.before = await this.#look()
        transfer.name = undefined
        // Asked for again, it is the newest.
        this.#transfers.delete(transfer)
        this.#transfers.add(transfer)
      },
      end: (isThere) => this.#end(transfer, isThere),
    }
  }

  /** Bytes on the disk of all partial files. */
  async bytes(): Promise<number> {
    return [...(await this.#look()).values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #end(transfer: Transfer, isThere: boolean): void {
    transfer.isAwaited = false
    if (isThere) {
      this.#transfers.delete(transfer)
      for (const other of this.#transfers) other.still = 0
    }
    const givenUp = [...this.#transfers].filter(({ isAwaited }) => !isAwaited)
    for (const oldest of givenUp.slice(0, -maxGivenUp)) this.#transfers.delete(oldest)
  }

  /** @param before what was there when the first transfer began: all that is more came since */
  async #watch(before: Map<string, Partial>): Promise<void> {
    this.#isWatching = true
    this.#last = before
    let looked = performance.now()
    while ([...this.#transfers].some(({ isAwaited }) => isAwaited)) {
      await delay(watchEvery, undefined, { ref: false })
      const now = await this.#look()
      const newest = [...this.#transfers].findLast(({ isAwaited }) => isAwaited)
      const passed = performance.now() - looked
      looked += passed
      const grown = [...now].filter(([name, { bytes }]) => bytes > (this.#last.get(name)?.bytes ?? 0))
      if (newest) newest.quiet += passed
      const names = grown.map(([name]) => name)
      this.#last = now
      this.#assign(now, names)
      this.#countStill(names, passed)
      for (const { isAwaited, name, received } of this.#transfers) {
        if (isAwaited && name !== undefined) received(now.get(name)?.bytes ?? 0)
      }
      for (const [name, { bytes }] of grown) await this.#writeOut(name, bytes)
    }
    this.#written.clear()
    this.#isWatching = false
  }

  /** The server serves the newest first: one that grows shows of those asked for after it that nothing comes of them. */
  #countStill(grown: string[], passed: number): void {
    const transfers = [...this.#transfers]
    const ofOwners = grown.map((name) => transfers.findIndex((transfer) => transfer.name === name))
    // Of one whose owner nobody knows, any may be it.
    const newest = ofOwners.includes(-1) ? transfers.length : Math.max(-1, ...ofOwners)
    for (const [at, transfer] of transfers.entries()) {
      transfer.still = at <= newest ? 0 : transfer.still + passed
    }
  }

  #assign(now: Map<string, Partial>, grown: string[]): void {
    for (const transfer of this.#transfers) {
      if (transfer.name === undefined || now.has(transfer.name)) continue
      // Finished, and so renamed.
      if (transfer.isAwaited) transfer.name = undefined
      else this.#transfers.delete(transfer)
    }
    const owners = new Map<string | undefined, Transfer>()
    // The server joins a file that is asked for again to the transfer that it goes on with.
    for (const transfer of this.#transfers) owners.set(transfer.outgrown, transfer)
    for (const transfer of this.#transfers) owners.set(transfer.name, transfer)
    owners.delete(undefined)
    for (const name of grown) {
      const owner = owners.get(name)
      const candidates = this.#candidates(name, now, owner)
      // While nobody can tell, it is most likely that of the newest, which the server serves first.
      const likely = candidates.findLast(({ isAwaited }) => isAwaited)
      if (likely) likely.quiet = 0
      likely?.grew?.()
      const [only, ...others] = candidates
      if (!only || others.length > 0) continue
      if (owner && owner !== only) owner.name = owner.outgrown = undefined
      only.name = name
      if (isLonger(now.get(name), only.size)) only.outgrown = name
    }
  }

  /** Whose an entry can be. */
  #candidates(name: string, now: Map<string, Partial>, owner: Transfer | undefined): Transfer[] {
    const entry = now.get(name)
    if (owner && !isLonger(entry, owner.size)) return [owner]
    const grown = [...this.#transfers].filter(
      ({ name: its, before }) => its === undefined && Number(entry?.bytes) > (before.get(name)?.bytes ?? 0),
    )
    const fitting = grown.filter(({ size }) => !isLonger(entry, size))
    if (fitting.length > 0) return fitting
    if (owner) return [owner]
    // What was too long before a file was asked for is of a transfer that nobody knows, as after a restart of ours.
    return grown.filter(({ before, size }) => !isLonger(before.get(name), size))
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

function isLonger(entry: Partial | undefined, size: number | undefined): boolean {
  return entry !== undefined && size !== undefined && entry.length > size
}
