// A process that takes jobs from a database until none is left, and prints the ids of those it had.
import { pino } from 'pino'
import { openDatabase } from '../../app/core/database/database.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { allMigrations } from '../helpers/records.ts'

const [url, worker = ''] = process.argv.slice(2)
const database = await openDatabase({ DATABASE_URL: url }, allMigrations)
const jobs = new Jobs(database, pino({ level: 'silent' }))
const had: number[] = []
for (;;) {
  const job = await jobs.claims.next(['test'], 1, { worker, until: Date.now() + 60_000 })
  if (!job) break
  had.push(job.id)
  await jobs.transition(job.id, 'RUNNING', 'COMPLETED', {}, worker)
}
await database[Symbol.asyncDispose]()
console.log(JSON.stringify(had))
