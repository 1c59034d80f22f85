import { z } from 'zod'
import { Breaker, InHand, type JobKind, Jobs, type JobType, type Lane, Queue } from '../../app/jobs/index.ts'
import { Links } from '../../app/links/index.ts'
import { openRecords, type Records } from './records.ts'

/** A database with the owners of its rows, in this process. */
export interface JobsFixture extends Records {
  jobs: Jobs
  /** Writes a queued job and returns its id. */
  job(of?: {
    user?: number
    chat?: number
    key?: string
    kind?: string
    size?: number
    dueAt?: number
  }): Promise<number>
  statusOf(id: number): Promise<string | undefined>
  events(id: number): Promise<{ event_type: string; data: Record<string, unknown> }[]>
  links(quotas?: { user?: number; store?: number }): Links
  queue(kind: Partial<JobKind & Lane>, retries?: number[]): Queue
}

const anything = z.looseObject({ bytes: z.number().default(0) })

/** A sort of job whose payload says how many bytes it is promised. */
export const typeOf = (name: string): JobType<typeof anything> => ({
  name,
  payload: anything,
  holds: ({ bytes }) => ({ bytes }),
})

/** A kind of job that a test does not mind, in a lane of its own; of the kind and the lane, parts may be told. */
export function kindOf(jobs: Jobs, parts: Partial<JobKind & Lane> = {}): JobKind {
  const name = parts.name ?? 'test'
  const { concurrency = 1, isOfBot = true, breakers = [], ready = () => true, stuckAfter = 300_000 } = parts
  return {
    ...typeOf(name),
    lane: { name, concurrency, isOfBot, breakers, ready, stuckAfter },
    retries: [5, 30],
    maxCrashes: 3,
    attemptFailed: { name: 'TEST_FAILED', stage: 'TEST' },
    run: async ({ id }) => void (await jobs.transition(id, 'RUNNING', 'COMPLETED')),
    classify: (_job, error) => ({ errorType: 'TEST', message: String(error), retryable: false }),
    onFailure: async () => {},
    ...parts,
  }
}

export const aLease = (worker = 'there:1:1') => ({ worker, until: Date.now() + 60_000 })

/** A queue, of the bot 1 if of any, on a machine that `probe` finds well. */
export function queueOf(
  { database, log }: Pick<Records, 'database' | 'log'>,
  jobs: Jobs,
  kinds: JobKind[],
  { hasBot = true, probe = async () => {} }: QueueOptions = {},
): Queue {
  const machine = new Breaker({ name: 'machine', probe, log })
  const inHand = new InHand(database.besides('in-hand'), log)
  return new Queue({
    jobs,
    kinds,
    ...(hasBot && { bot: { id: 1 } }),
    machine,
    inHand,
    transaction: database.transaction,
    log,
  })
}

interface QueueOptions {
  /** By default true. */
  hasBot?: boolean
  probe?: () => Promise<void>
}

export async function openJobs(): Promise<JobsFixture> {
  const records = await openRecords()
  const { database, log } = records
  const jobs = new Jobs(database, log)
  let made = 0
  return {
    ...records,
    jobs,
    async job({ user = 1, chat = user, key = `key ${++made}`, kind = 'test', size = 100, dueAt } = {}) {
      const of = { key, botId: 1, userId: user, chatId: chat, payload: { made, bytes: size } }
      const id = await jobs.create(typeOf(kind), { ...of, ...(dueAt !== undefined && { dueAt }) })
      if (id === undefined) throw new Error(`the key ${key} is known`)
      return id
    },
    async statusOf(id) {
      return (await jobs.find(id))?.status
    },
    async events(id) {
      const rows = await database.query<{ event_type: string; data: string }>(
        'SELECT event_type, data FROM job_events WHERE job_id = $1 ORDER BY id',
        id,
      )
      return rows.map(({ event_type, data }) => ({ event_type, data: JSON.parse(data) }))
    },
    links({ user = 0, store = 0 } = {}) {
      const quotas = { USER_QUOTA: user, STORAGE_QUOTA: store }
      return new Links(
        { DOWNLOAD_URL_BASE: 'https://files.example.org', FILE_RETENTION_DAYS: 30, ...quotas },
        database,
      )
    },
    queue(kind, retries = [5, 30]) {
      return queueOf(records, jobs, [kindOf(jobs, { retries, ...kind })])
    },
  }
}
