import { z } from 'zod'
import { wholeNumber } from '../core/settings.ts'

const delays = z
  .string()
  .regex(/^\d{1,6}(\s*,\s*\d{1,6}){0,19}$/, 'must be seconds, separated by commas, like 5,30,120')
  .transform((text) => text.split(',').map(Number))

const onOff = z
  .enum(['on', 'off', 'true', 'false', '1', '0', 'yes', 'no'], 'must be on or off')
  .transform((text) => ['on', 'true', '1', 'yes'].includes(text))

export const jobsSettings = z.object({
  RETRY_DELAYS: delays.default([5, 30, 120, 300, 900]),
  MAX_QUEUE_LENGTH: wholeNumber(1).default(10_000),
  MAX_ACTIVE_JOBS_PER_USER: wholeNumber(1).default(500),
  MAX_JOBS_PER_USER_PER_HOUR: wholeNumber(1).default(600),
  MAX_JOBS_PER_CHAT_PER_HOUR: wholeNumber(1).default(1200),
  MAINTENANCE_MODE: onOff.default(false),
})

export type JobsSettings = z.output<typeof jobsSettings>
