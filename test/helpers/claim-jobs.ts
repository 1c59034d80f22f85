// Claims jobs until there are none and prints their ids: node claim-jobs.ts <database file> <worker>
import { pino } from 'pino'
import { openDatabase } from '../../app/core/database.ts'
import { Jobs } from '../../app/jobs/index.ts'

const [file = '', worker = ''] = process.argv.slice(2)
await using database = await openDatabase({ DATABASE_URL: `sqlite:${file}` }, [])
const jobs = new Jobs(database, pino({ level: 'silent' }))
const ids: number[] = []
for (;;) {
  const job = await jobs.claim('ingest', worker, Date.now() + 60_000)
  if (!job) break
  ids.push(job.id)
}
console.log(JSON.stringify(ids))
