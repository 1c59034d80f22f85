import { z } from 'zod'
import { wholeNumber } from '../../core/settings.ts'

export const ingestSettings = z.object({
  MAX_FILE_SIZE: wholeNumber(1).default(2_147_483_648),
  RATE_LIMIT_PER_MINUTE: wholeNumber(1, 10_000).default(10),
  FETCHES_PER_BOT: wholeNumber(1, 20).default(1),
  SMALL_FILE_SIZE: wholeNumber(0).default(20_971_520),
  STALL_SECONDS: wholeNumber(1, 86_400).default(180),
})

export type IngestSettings = z.output<typeof ingestSettings>
