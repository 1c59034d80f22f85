// A bot role's queue in a process of its own, in which one job ends the process: crash-worker.ts <database> <job>
import { pino } from 'pino'
import { openDatabase } from '../../app/core/database/database.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { kindOf, queueOf } from '../helpers/open-jobs.ts'
import { allMigrations } from '../helpers/records.ts'

const [file, poison] = process.argv.slice(2)
const database = await openDatabase({ DATABASE_URL: `sqlite:${file}` }, allMigrations)
const log = pino({ level: 'silent' })
const jobs = new Jobs(database, log)
const kind = kindOf(jobs, {
  concurrency: 2,
  retries: [0],
  run: async ({ id }) => {
    if (id === Number(poison)) process.abort()
    await jobs.transition(id, 'RUNNING', 'COMPLETED')
  },
  classify: (_job, error) => ({
    errorType: (error as Error).name,
    message: String(error),
    retryable: false,
  }),
})
const queue = queueOf({ database, log }, jobs, [kind])
await queue.start()
for (;;) {
  const [left] = await database.query(`SELECT 1 FROM jobs WHERE status IN ('QUEUED', 'RUNNING') LIMIT 1`)
  if (!left) break
  await new Promise((resolve) => setTimeout(resolve, 20))
}
await queue[Symbol.asyncDispose]()
await database[Symbol.asyncDispose]()
