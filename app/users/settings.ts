import { z } from 'zod'

const ids = z
  .string()
  .regex(/^\d{1,16}(\s*,\s*\d{1,16})*$/, 'must be Telegram user ids, separated by commas')
  .transform((text) => new Set(text.split(',').map(Number)))

export const usersSettings = z.object({
  ALLOWED_USERS: ids.default(new Set()),
  ADMIN_USERS: ids.default(new Set()),
  // What a start link may carry: core.telegram.org/bots/features#deep-linking.
  CLAIM_CODE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 to 64 letters without accents, digits, _ and -')
    .optional(),
})

export type UsersSettings = z.output<typeof usersSettings>
