import type { Feature } from '../house.ts'
import { upkeepMigrations } from './migrations.ts'
import { upkeepSettings } from './settings.ts'

/** Keeps the disk in order, mends what a crash left, and tells /health about it. */
export const upkeep: Feature<typeof upkeepSettings> = {
  name: 'upkeep',
  settings: upkeepSettings,
  migrations: upkeepMigrations,
  async bot(house, settings) {
    const { clock } = await import('./bot.ts')
    return { cron: clock(house, settings) }
  },
  async web({ database }, { ADMIN_TOKEN }) {
    if (ADMIN_TOKEN === undefined) return {}
    const { cleanupRoute } = await import('./cleanup.ts')
    return { routes: (router) => router.post('/cleanup', cleanupRoute(database, ADMIN_TOKEN)) }
  },
  owner: [
    {
      name: 'take-back',
      description: 'puts all files of the quarantine back into the store',
      run: async (house) => (await import('./owner.ts')).takeBack(house),
    },
    {
      name: 'set-aside',
      description: 'moves all files that no link or job knows into the quarantine, however many they are',
      run: async (house) => (await import('./owner.ts')).setAside(house),
    },
    {
      name: 'confirm-clock',
      description: 'says that the clock is right, after it jumped',
      run: async (house) => (await import('./owner.ts')).confirmClock(house),
    },
    {
      name: 'accept-store',
      description:
        'says that the folder of the files belongs to this database, whatever they say of each other',
      run: async (house) => (await import('./owner.ts')).acceptStore(house),
    },
  ],
}
