import { z } from 'zod'

const ids = z
  .string()
  .regex(/^\d{1,16}(\s*,\s*\d{1,16})*$/, 'must be Telegram user ids, separated by commas')
  .transform((text) => new Set(text.split(',').map(Number)))

export const usersSettings = z.object({
  ALLOWED_USERS: ids.default(new Set()),
  ADMIN_USERS: ids.default(new Set()),
})

/** Who may use the bot. */
export class Users {
  readonly #settings: z.output<typeof usersSettings>

  constructor(settings: z.output<typeof usersSettings>) {
    this.#settings = settings
  }

  /** Who is told when the house itself needs a hand. */
  get administrators(): number[] {
    return [...this.#settings.ADMIN_USERS]
  }

  /** Administrators may always; anyone may while nobody is named. */
  mayUse(userId: number): boolean {
    const { ALLOWED_USERS, ADMIN_USERS } = this.#settings
    return ALLOWED_USERS.size === 0 || ALLOWED_USERS.has(userId) || ADMIN_USERS.has(userId)
  }
}
