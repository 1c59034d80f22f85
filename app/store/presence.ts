import { codeOf, StartError } from '../core/errors.ts'
import { InTime, NoAnswer } from '../core/in-time.ts'
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

/** Milliseconds for the store's disk to answer; one that sleeps needs some seconds to spin up. */
export const patience = 10_000

/** Whether the store is there: its disk can go, hang, or another one come in its place, at any time. */
export class Presence {
  readonly #parts: Parts
  /** One look at a time: two that introduce store and database at the same moment would each make an id. */
  readonly #finding = new InTime(() => this.#find(), patience)
  #claims: (() => Promise<Claims>) | undefined
  /** Why it is not to be touched, by the last look; undefined when it is there. */
  #absence: string | undefined = 'nobody has looked yet'
  #wasAway = false
  /** Whether the two were compared since the start. */
  #isIntroduced = false
  /** Why store and database cannot be made known to each other, by the last look. */
  #refusal: StartError | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get isThere(): boolean {
    return this.#absence === undefined
  }

  get isSilent(): boolean {
    return this.#finding.isLate
  }

  /** @throws StartError when the folder belongs to another database */
  async begin(claims: () => Promise<Claims>): Promise<void> {
    this.#claims = claims
    const absence = await this.#absenceNow()
    if (this.#refusal) throw this.#refusal
    this.#note(absence)
  }

  async look(): Promise<boolean> {
    this.#note(await this.#absenceNow())
    return this.isThere
  }

  async #absenceNow(): Promise<string | undefined> {
    return await this.#finding.ask().catch((error) => {
      if (error instanceof NoAnswer) return 'it does not answer'
      throw error
    })
  }

  #note(absence: string | undefined): void {
    const { log } = this.#parts
    if (absence === this.#absence) return
    if (absence !== undefined)
      log.error({ reason: absence }, 'the store is not there: files wait until it is')
    else if (this.#wasAway) log.info('the store is there again')
    this.#wasAway ||= absence !== undefined
    this.#absence = absence
  }

  /** @throws StoreAbsent */
  async require(): Promise<void> {
    if (!(await this.look())) throw new StoreAbsent(`the store is not there: ${this.#absence}`)
  }

  async #find(): Promise<string | undefined> {
    const { identity, makeFolders } = this.#parts
    this.#refusal = undefined
    let absence = await identity.absence()
    // The role that only reads makes nothing. The others make the folders once, when it comes.
    if (this.#claims === undefined || (absence === undefined && this.isThere)) return absence
    try {
      // One that was away when a database without its id was first opened has no marker yet.
      if (absence !== undefined || !this.#isIntroduced) await identity.introduce(await this.#claims())
      this.#isIntroduced = true
      absence = await identity.absence()
      if (absence === undefined) await makeFolders()
      return absence
    } catch (error) {
      if (error instanceof StartError) {
        this.#refusal = error
        return error.message
      }
      const code = codeOf(error)
      if (code === undefined) throw error
      return `it cannot be written to (${code})`
    }
  }
}
