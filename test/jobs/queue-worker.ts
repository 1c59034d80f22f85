// A queue in a process of its own, until nothing is left to do: queue-worker.ts <database> <state folder> <milliseconds for a job>
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { openDatabase } from '../../app/core/database/database.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { kindOf, queueOf } from '../helpers/open-jobs.ts'
import { allMigrations } from '../helpers/records.ts'

const [url, folder, pause] = process.argv.slice(2)
const database = await openDatabase({ DATABASE_URL: url, STATE_DIRECTORY: folder }, allMigrations)
const log = pino({ level: 'silent' })
const jobs = new Jobs(database, log)
const done: number[] = []
const kind = kindOf(jobs, {
  run: async ({ id, worker }) => {
    await delay(Number(pause))
    await jobs.transition(id, 'RUNNING', 'COMPLETED', {}, worker)
    done.push(id)
  },
})
const queue = queueOf({ database, log }, jobs, [kind])
await queue.start()
for (;;) {
  const [left] = await database.query(`SELECT 1 FROM jobs WHERE status IN ('QUEUED', 'RUNNING') LIMIT 1`)
  if (!left) break
  await delay(50)
}
await queue[Symbol.asyncDispose]()
await database[Symbol.asyncDispose]()
console.log(JSON.stringify(done))
