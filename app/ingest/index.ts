import type { Feature } from '../house.ts'
import { ingestMigrations } from './migrations.ts'
import { ingestSettings } from './settings.ts'

/** A Telegram file becomes a link. */
export const ingest: Feature<typeof ingestSettings> = {
  name: 'ingest',
  settings: ingestSettings,
  migrations: ingestMigrations,
  async bot(house, settings) {
    const { intakeOf } = await import('./bot.ts')
    return intakeOf(house, settings)
  },
}
