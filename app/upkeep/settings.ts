import { z } from 'zod'
import { wholeNumber } from '../core/settings.ts'

export const upkeepSettings = z.object({
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  EXPIRED_GRACE_MINUTES: wholeNumber(0, 525_600).default(60),
})

export type UpkeepSettings = z.output<typeof upkeepSettings>
