import { z } from 'zod'
import { leadershipMigrations } from './database/leadership.ts'
import { databaseSettings } from './database/settings.ts'
import type { Declaration } from './declaration.ts'
import { healthMigrations } from './health.ts'
import { httpSettings } from './http-settings.ts'
import { logLevels } from './log.ts'
import { metricsMigrations } from './metrics.ts'
import { clockMigrations } from './wall-clock.ts'

export const logModule = {
  name: 'log',
  settings: z.object({
    LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  }),
} satisfies Declaration

export const databaseModule = {
  name: 'database',
  settings: databaseSettings,
  migrations: [...leadershipMigrations, ...healthMigrations, ...clockMigrations, ...metricsMigrations],
  health: [{ name: 'database', of: 'web' }],
} satisfies Declaration

export const httpModule = { name: 'http', settings: httpSettings } satisfies Declaration
