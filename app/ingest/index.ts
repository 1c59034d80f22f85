import type { Feature } from '../house.ts'
import { ingestMigrations } from './migrations.ts'
import { ingestSettings } from './settings.ts'

/** A Telegram file becomes a link. */
export const ingest: Feature<typeof ingestSettings> = {
  name: 'ingest',
  settings: ingestSettings,
  migrations: ingestMigrations,
  async bot(house, settings) {
    const { handlers } = await import('./handlers.ts')
    const { Intake } = await import('./intake.ts')
    const { Refusals } = await import('./refusals.ts')
    const { Status } = await import('./status.ts')
    const { transfers } = await import('./transfer.ts')
    const { Waiting } = await import('./waiting.ts')
    const waiting = new Waiting(house, settings)
    const status = new Status(house, waiting)
    const refusals = new Refusals(house)
    const intake = new Intake({ house, settings, waiting, refusals, status })
    const jobKinds = transfers(house, settings, status)
    await waiting.recall(jobKinds.map(({ name }) => name))
    return {
      handlers: handlers(house, settings, intake),
      commands: [
        { command: 'start', description: 'What this bot does' },
        { command: 'help', description: 'What this bot does' },
        { command: 'link', description: 'Reply to a file with it to get its link' },
      ],
      shiftTimes: (by) => waiting.shiftTimes(by),
      jobKinds,
      cron: [
        { name: 'waiting files', schedule: '20 * * * * *', run: () => waiting.refresh() },
        { name: 'refused files', schedule: '25 * * * * *', run: () => refusals.forget() },
      ],
    }
  },
}
