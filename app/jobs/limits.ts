import type { Jobs } from './jobs.ts'
import type { JobsSettings } from './settings.ts'

/** Why no new job is taken now. */
export type Refusal =
  | { limit: 'maintenance' }
  | { limit: 'queue' }
  | { limit: 'active'; most: number }
  | { limit: 'hour'; most: number; freeInSeconds: number }

const hour = 3_600_000

/** Decides whether one more job of a user in a chat is taken; undefined means yes. */
export async function refusalOf(
  jobs: Jobs,
  settings: JobsSettings,
  { userId, chatId }: { userId: number; chatId: number },
): Promise<Refusal | undefined> {
  if (settings.MAINTENANCE_MODE) return { limit: 'maintenance' }
  const { all, ofUser } = await jobs.load.counts(userId)
  if (all >= settings.MAX_QUEUE_LENGTH) return { limit: 'queue' }
  if (ofUser >= settings.MAX_ACTIVE_JOBS_PER_USER) {
    return { limit: 'active', most: settings.MAX_ACTIVE_JOBS_PER_USER }
  }
  const windows = [
    { of: { userId }, most: settings.MAX_JOBS_PER_USER_PER_HOUR },
    { of: { chatId }, most: settings.MAX_JOBS_PER_CHAT_PER_HOUR },
  ]
  for (const { of, most } of windows) {
    const freeInSeconds = await jobs.load.freeIn(of, hour, most)
    if (freeInSeconds > 0) return { limit: 'hour', most, freeInSeconds }
  }
  return undefined
}
