import { z } from 'zod'

export const upkeepSettings = z.object({
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
})
