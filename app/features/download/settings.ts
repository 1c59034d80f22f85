import { z } from 'zod'

export const downloadSettings = z.object({
  X_ACCEL_PREFIX: z
    .string()
    .regex(/^\/([a-z0-9_-]+\/)*$/i, 'must be the path of an internal nginx location, like /_files/')
    .optional(),
})

export type DownloadSettings = z.output<typeof downloadSettings>
