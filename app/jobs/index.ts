export { type Job, Jobs } from './jobs.ts'
export { jobsMigrations } from './migrations.ts'
export { type JobKind, Queue, type Verdict } from './queue.ts'
