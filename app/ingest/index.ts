import type { Feature } from '../house.ts'
import { ingestSettings } from './settings.ts'

/** A Telegram file becomes a link. */
export const ingest: Feature<typeof ingestSettings> = {
  name: 'ingest',
  settings: ingestSettings,
  async bot(house, settings) {
    const { handlers } = await import('./handlers.ts')
    const { transfers } = await import('./transfer.ts')
    return {
      handlers: handlers(house, settings),
      commands: [
        { command: 'start', description: 'What this bot does' },
        { command: 'help', description: 'What this bot does' },
      ],
      jobKinds: transfers(house, settings),
    }
  },
}
