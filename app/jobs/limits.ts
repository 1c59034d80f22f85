import type { Jobs } from './jobs.ts'
import type { JobLimits } from './kind.ts'
import type { JobsSettings } from './settings.ts'

/** Why no new job is taken now. */
export type Refusal = { limit: 'maintenance' } | { limit: 'queue' } | { limit: 'active'; most: number }

/** Decides whether one more job of a user is taken; undefined means yes. */
export async function refusalOf(
  jobs: Jobs,
  settings: JobsSettings,
  { kinds, maxQueued, maxActive }: JobLimits,
  userId: number,
): Promise<Refusal | undefined> {
  if (settings.MAINTENANCE_MODE) return { limit: 'maintenance' }
  const { all, ofUser } = await jobs.reservations.counts(kinds, userId)
  if (all >= maxQueued) return { limit: 'queue' }
  return ofUser >= maxActive ? { limit: 'active', most: maxActive } : undefined
}
