import type { Feature } from '../../context.ts'
import { ingestMigrations } from './migrations.ts'
import { ingestSettings } from './settings.ts'

/** A Telegram file becomes a link. */
export const ingest: Feature<typeof ingestSettings> = {
  name: 'ingest',
  settings: ingestSettings,
  migrations: ingestMigrations,
  person: async () => (await import('./person.ts')).ingestPerson,
  async bot(context, settings) {
    const { intakeOf } = await import('./bot.ts')
    return intakeOf(context, settings)
  },
}
