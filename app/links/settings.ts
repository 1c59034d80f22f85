import { z } from 'zod'
import { httpAddress, wholeNumber } from '../core/settings.ts'

export const linksSettings = z.object({
  DOWNLOAD_URL_BASE: httpAddress.default('http://127.0.0.1:8000'),
  FILE_RETENTION_DAYS: wholeNumber(0, 36_500).default(30),
  STORAGE_QUOTA: wholeNumber(0).default(0),
  USER_QUOTA: wholeNumber(0).default(0),
})

export type LinksSettings = z.output<typeof linksSettings>
