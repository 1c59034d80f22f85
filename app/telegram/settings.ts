import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { httpAddress } from '../core/settings.ts'

export const telegramSettings = z.object({
  TELEGRAM_BOT_TOKEN: z
    .string('is missing: the token that @BotFather gave you')
    .regex(/^[1-9]\d{4,15}:[A-Za-z0-9_-]{35,100}$/, 'is not a bot token like 123456789:AbC… (35 characters)'),
  TELEGRAM_API_URL: httpAddress.default('http://127.0.0.1:8081'),
  BOT_API_DIR: z
    .string()
    .refine(isAbsolute, 'must be an absolute path: the --dir of the local Bot API server')
    .optional(),
  // Set by the installer alone.
  BOT_API_HELPER: z.string().refine(isAbsolute, 'must be an absolute path').optional(),
})

export type TelegramSettings = z.output<typeof telegramSettings>
