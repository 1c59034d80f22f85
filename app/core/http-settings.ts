import { z } from 'zod'
import { adminToken } from './administrator.ts'
import { wholeNumber } from './settings.ts'

export const httpSettings = z.object({
  SERVER_HOST: z.string().default('127.0.0.1'),
  SERVER_PORT: wholeNumber(0, 65_535).default(8000),
  SERVER_SOCKET: z
    .string()
    // Node takes such a path for a port.
    .refine((path) => Number.isNaN(Number(path)), 'must be a path, not a number: SERVER_PORT is for that')
    // unix(7): sun_path has 108 bytes, the last of them a zero.
    .refine((path) => Buffer.byteLength(path) < 108, 'is too long: a UNIX socket may have 107 bytes')
    .optional(),
  ADMIN_TOKEN: adminToken,
})

export type HttpSettings = z.output<typeof httpSettings>
