import { z } from 'zod'
import { wholeNumber } from '../../core/settings.ts'

const delays = z
  .string()
  .regex(/^\d{1,6}(\s*,\s*\d{1,6}){0,19}$/, 'must be seconds, separated by commas, like 5,30,120')
  .transform((text) => text.split(',').map(Number))

export const ingestSettings = z.object({
  MAX_FILE_SIZE: wholeNumber(1).default(2_147_483_648),
  RATE_LIMIT_PER_MINUTE: wholeNumber(1, 10_000).default(10),
  FETCHES_PER_BOT: wholeNumber(1, 20).default(1),
  SMALL_FILE_SIZE: wholeNumber(0).default(20_971_520),
  STALL_SECONDS: wholeNumber(1, 86_400).default(180),
  RETRY_DELAYS: delays.default([5, 30, 120, 300, 900]),
  MAX_QUEUE_LENGTH: wholeNumber(1).default(10_000),
  MAX_ACTIVE_JOBS_PER_USER: wholeNumber(1).default(500),
  MAX_JOBS_PER_USER_PER_HOUR: wholeNumber(1).default(600),
  MAX_JOBS_PER_CHAT_PER_HOUR: wholeNumber(1).default(1200),
})

export type IngestSettings = z.output<typeof ingestSettings>
