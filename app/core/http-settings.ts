import { z } from 'zod'
import { wholeNumber } from './settings.ts'

export const httpSettings = z.object({
  SERVER_HOST: z.string().default('127.0.0.1'),
  SERVER_PORT: wholeNumber(0, 65_535).default(8000),
  SERVER_SOCKET: z.string().optional(),
})

export type HttpSettings = z.output<typeof httpSettings>
