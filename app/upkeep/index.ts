import type { Feature } from '../house.ts'
import { upkeepMigrations } from './migrations.ts'
import { upkeepSettings } from './settings.ts'

/** Keeps the disk in order, mends what a crash left, and tells /health about it. */
export const upkeep: Feature<typeof upkeepSettings> = {
  name: 'upkeep',
  settings: upkeepSettings,
  migrations: upkeepMigrations,
  async bot(house) {
    const { clock } = await import('./clock.ts')
    return { cron: clock(house) }
  },
  async web({ database }, { ADMIN_TOKEN }) {
    if (ADMIN_TOKEN === undefined) return {}
    const { cleanupRoute } = await import('./cleanup.ts')
    return { routes: (router) => router.post('/cleanup', cleanupRoute(database, ADMIN_TOKEN)) }
  },
}
