import { codeOf, StartError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Claims, Identity } from './identity.ts'

/** The store's disk is not there; nothing was read, kept or removed. */
export class StoreAbsent extends Error {
  override name = 'StoreAbsent'
}

interface Parts {
  identity: Identity
  /** Called when the store is found: nothing may be made in a folder that is not the store. */
  makeFolders: () => Promise<void>
  log: Log
}

/** Whether the store is there: its disk can go, or another one come in its place, at any time. */
export class Presence {
  readonly #parts: Parts
  #claims: (() => Promise<Claims>) | undefined
  /** Why it is not to be touched, by the last look; undefined when it is there. */
  #absence: string | undefined = 'nobody has looked yet'
  #wasAway = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get isThere(): boolean {
    return this.#absence === undefined
  }

  /** @throws StartError when the folder belongs to another database */
  async begin(claims: () => Promise<Claims>): Promise<void> {
    const { identity } = this.#parts
    await identity.introduce(await claims())
    this.#claims = claims
    await this.look()
  }

  /** One look after the other: two that introduce store and database at the same moment would each make an id. */
  async look(): Promise<boolean> {
    const next = this.#last.then(() => this.#look())
    this.#last = next.catch(() => {})
    return await next
  }

  async #look(): Promise<boolean> {
    const { log } = this.#parts
    const before = this.#absence
    const absence = await this.#find()
    if (absence === before) return this.isThere
    if (absence !== undefined)
      log.error({ reason: absence }, 'the store is not there: files wait until it is')
    else if (this.#wasAway) log.info('the store is there again')
    this.#wasAway ||= absence !== undefined
    this.#absence = absence
    return this.isThere
  }

  /** @throws StoreAbsent */
  async require(): Promise<void> {
    if (!(await this.look())) throw new StoreAbsent(`the store is not there: ${this.#absence}`)
  }

  async #find(): Promise<string | undefined> {
    const { identity, makeFolders } = this.#parts
    let absence = await identity.absence()
    // The role that only reads makes nothing. The others make the folders once, when it comes.
    if (this.#claims === undefined || (absence === undefined && this.isThere)) return absence
    try {
      // One that was away when a database without its id was first opened has no marker yet.
      if (absence !== undefined) await identity.introduce(await this.#claims())
      absence = await identity.absence()
      if (absence === undefined) await makeFolders()
      return absence
    } catch (error) {
      if (error instanceof StartError) return error.message
      const code = codeOf(error)
      if (code === undefined) throw error
      return `it cannot be written to (${code})`
    }
  }
}
