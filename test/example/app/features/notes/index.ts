import type { Feature } from '../../context.ts'
import { notesMetrics } from './metrics.ts'
import { notesMigrations } from './migrations.ts'
import { notesSettings } from './settings.ts'

/** Keeps notes that people write to the bot, and shows how many there are. */
export const notes: Feature<typeof notesSettings> = {
  name: 'notes',
  settings: notesSettings,
  migrations: notesMigrations,
  health: [{ name: 'notes', of: 'notes' }],
  metrics: notesMetrics,
  person: async () => (await import('./person.ts')).notesPerson,
  async bot(context, settings) {
    const { parts } = await import('./bot.ts')
    return parts(context, settings)
  },
  async web(context) {
    const { routes } = await import('./web.ts')
    return routes(context)
  },
  role: {
    name: 'notes',
    async start(context) {
      const { startNotes } = await import('./notes.ts')
      return await startNotes(context)
    },
  },
}
