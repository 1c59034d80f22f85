import type { Feature } from '../../context.ts'
import { maintenanceMigrations } from './migrations.ts'
import { maintenanceSettings } from './settings.ts'

/** Keeps the disk in order, mends what a crash left, and tells /health about it. */
export const maintenance: Feature<typeof maintenanceSettings> = {
  name: 'maintenance',
  settings: maintenanceSettings,
  migrations: maintenanceMigrations,
  health: [
    { name: 'store', of: 'bot' },
    { name: 'disk', of: 'bot' },
    { name: 'clock', of: 'bot' },
  ],
  metrics: [
    {
      name: 'tgdepot_disk_free_bytes',
      help: 'Free room of each disk that files pass.',
      type: 'gauge',
      labels: ['of'],
    },
  ],
  async bot(context, settings) {
    const { schedule } = await import('./bot.ts')
    return { schedule: schedule(context, settings) }
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
      run: async (context) => (await import('./commands.ts')).takeBack(context),
    },
    {
      name: 'set-aside',
      description: 'moves all files that no link or job knows into the quarantine, however many they are',
      run: async (context) => (await import('./commands.ts')).setAside(context),
    },
    {
      name: 'confirm-clock',
      description: 'says that the clock is right, after it jumped',
      run: async (context) => (await import('./commands.ts')).confirmClock(context),
    },
    {
      name: 'accept-store',
      description:
        'says that the folder of the files belongs to this database, whatever they say of each other',
      run: async (context) => (await import('./commands.ts')).acceptStore(context),
    },
  ],
}
