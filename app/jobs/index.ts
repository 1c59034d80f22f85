export { Breaker, type Trouble } from './breaker.ts'
export type { JobEvent, OwnEvent } from './events.ts'
export { InHand } from './in-hand.ts'
export type { ClaimedJob, Job } from './job.ts'
export { Jobs } from './jobs.ts'
export {
  type Elsewhere,
  JobCrashes,
  type JobKind,
  type JobLimits,
  type JobType,
  type Lane,
  OtherBot,
  payloadOf,
  UnreadablePayload,
  type Verdict,
} from './kind.ts'
export { type Refusal, refusalOf } from './limits.ts'
export { jobsMigrations } from './migrations.ts'
export { jobsOf } from './person.ts'
export { Queue } from './queue.ts'
export type { RateLimit } from './rate-slots.ts'
export { type JobsSettings, jobsSettings } from './settings.ts'
