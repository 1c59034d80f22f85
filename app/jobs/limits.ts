import type { Jobs } from './jobs.ts'
import { longestSpan, type RateLimit } from './load.ts'
import type { JobsSettings } from './settings.ts'

/** Why no new job is taken now. */
export type Refusal = { limit: 'maintenance' } | { limit: 'queue' } | { limit: 'active'; most: number }

/** Decides whether one more job of a user in a chat is taken; undefined means yes. */
export async function refusalOf(
  jobs: Jobs,
  settings: JobsSettings,
  { userId }: { userId: number },
): Promise<Refusal | undefined> {
  if (settings.MAINTENANCE_MODE) return { limit: 'maintenance' }
  const { all, ofUser } = await jobs.load.counts(userId)
  if (all >= settings.MAX_QUEUE_LENGTH) return { limit: 'queue' }
  if (ofUser >= settings.MAX_ACTIVE_JOBS_PER_USER) {
    return { limit: 'active', most: settings.MAX_ACTIVE_JOBS_PER_USER }
  }
  return undefined
}

/** How many jobs of a user, and from a chat, may begin within an hour. */
export function rateLimits(
  settings: JobsSettings,
  { userId, chatId }: { userId: number; chatId: number },
): { user: RateLimit; chat: RateLimit } {
  return {
    user: { of: { userId }, span: longestSpan, most: settings.MAX_JOBS_PER_USER_PER_HOUR },
    chat: { of: { chatId }, span: longestSpan, most: settings.MAX_JOBS_PER_CHAT_PER_HOUR },
  }
}
