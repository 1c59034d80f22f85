import { Breaker, InHand, type JobKind, Jobs, Queue } from '../../app/jobs/index.ts'
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
  queue(kind: Partial<JobKind>, delays?: number[]): Queue
}

export const aLease = (worker = 'there:1:1') => ({ worker, until: Date.now() + 60_000 })

/** A queue of the bot 1, on a machine that `probe` finds well. */
export function queueOf(
  { database, log }: Pick<Records, 'database' | 'log'>,
  jobs: Jobs,
  kinds: JobKind[],
  { delays = [5, 30], botId = 1, probe = async () => {} }: QueueOptions = {},
): Queue {
  const machine = new Breaker({ name: 'machine', probe, log })
  const inHand = new InHand(database.besides('in-hand'), log)
  return new Queue({ jobs, kinds, botId, machine, delays, inHand, transaction: database.transaction, log })
}

interface QueueOptions {
  delays?: number[]
  botId?: number
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
      const of = {
        kind,
        key,
        botId: 1,
        userId: user,
        chatId: chat,
        size,
        payload: { made },
        ...(dueAt !== undefined && { dueAt }),
      }
      const id = await jobs.create(of)
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
    queue(kind, delays = [5, 30]) {
      const whole: JobKind = {
        name: 'test',
        concurrency: 1,
        breakers: [],
        ready: () => true,
        run: async ({ id }) => void (await jobs.transition(id, 'RUNNING', 'COMPLETED')),
        classify: (_job, error) => ({ errorType: 'UNKNOWN', message: String(error), retryable: false }),
        failed: async () => {},
        ...kind,
      }
      return queueOf(records, jobs, [whole], { delays })
    },
  }
}
