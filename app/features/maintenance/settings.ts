import { z } from 'zod'
import { adminToken } from '../../core/administrator.ts'
import { wholeNumber } from '../../core/settings.ts'

export const maintenanceSettings = z.object({
  ADMIN_TOKEN: adminToken,
  EXPIRED_GRACE_MINUTES: wholeNumber(0, 525_600).default(60),
})

export type MaintenanceSettings = z.output<typeof maintenanceSettings>
