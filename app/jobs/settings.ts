import { z } from 'zod'

const onOff = z
  .enum(['on', 'off', 'true', 'false', '1', '0', 'yes', 'no'], 'must be on or off')
  .transform((text) => ['on', 'true', '1', 'yes'].includes(text))

export const jobsSettings = z.object({
  MAINTENANCE_MODE: onOff.default(false),
})

export type JobsSettings = z.output<typeof jobsSettings>
