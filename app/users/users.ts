import type { Queries } from '../core/database/reader.ts'
import { Ownership } from './ownership.ts'
import type { UsersSettings } from './settings.ts'

/** Who may use the bot, and whose it is. */
export class Users {
  readonly #settings: UsersSettings
  readonly #ownership: Ownership

  constructor(settings: UsersSettings, database: Pick<Queries, 'query'>) {
    this.#settings = settings
    this.#ownership = new Ownership(database)
  }

  /** Whether the bot is for the one who claims it. Without, a claim of earlier days counts for nothing. */
  get hasClaimCode(): boolean {
    return this.#settings.CLAIM_CODE !== undefined
  }

  /** The administrators whom the settings name. */
  get appointed(): number[] {
    return [...this.#settings.ADMIN_USERS]
  }

  /** Who is told when the server itself needs a hand. */
  async administrators(): Promise<number[]> {
    const owner = await this.owner()
    return owner === undefined ? this.appointed : [...new Set([...this.appointed, owner])]
  }

  /** Administrators may always; anyone may while nobody is named and there is no claim code. */
  async mayUse(userId: number): Promise<boolean> {
    const { ALLOWED_USERS, ADMIN_USERS } = this.#settings
    if (ALLOWED_USERS.has(userId) || ADMIN_USERS.has(userId)) return true
    if (!this.hasClaimCode) return ALLOWED_USERS.size === 0
    return (await this.owner()) === userId
  }

  /** Who has claimed the bot. */
  async owner(): Promise<number | undefined> {
    return this.hasClaimCode ? await this.#ownership.find() : undefined
  }

  /** Whether there is nobody yet whom a stranger could ask. */
  async isOwnerless(): Promise<boolean> {
    return this.hasClaimCode && this.appointed.length === 0 && (await this.owner()) === undefined
  }

  /** Makes someone who gave the code the owner, if nobody is. Returns whether they became it. */
  async claim(userId: number): Promise<boolean> {
    return await this.#ownership.claim(userId)
  }
}
