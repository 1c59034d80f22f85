import { z } from 'zod'
import { wholeNumber } from '../core/settings.ts'

export const upkeepSettings = z.object({
  ADMIN_TOKEN: z
    .string()
    .min(16, 'must have at least 16 characters')
    // It comes in a header, in which other characters arrive changed: nobody would ever be let in.
    .regex(/^[\x21-\x7e]*$/, 'must be of ASCII characters without blanks')
    .optional(),
  EXPIRED_GRACE_MINUTES: wholeNumber(0, 525_600).default(60),
})

export type UpkeepSettings = z.output<typeof upkeepSettings>
