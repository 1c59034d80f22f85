import { z } from 'zod'

export const storeSettings = z.object({
  STORAGE_PATH: z.string().default('./data/store'),
})
