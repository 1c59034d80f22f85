import test from 'ava'
import { Jobs } from '../../app/jobs/index.ts'
import { onPostgres } from '../helpers/database-in.ts'
import { aLease, kindOf, openJobs, queueOf } from '../helpers/open-jobs.ts'
import { planOf, recordStatements } from '../helpers/record-statements.ts'

const ofSqlite = onPostgres ? test.skip : test

ofSqlite('what the queue asks again and again walks through no job that has ended', async (t) => {
  await using desk = await openJobs()
  const { database, statements } = recordStatements(desk.database)
  const jobs = new Jobs(database, desk.log)
  await using queue = queueOf({ ...desk, database }, jobs, [kindOf(jobs)])
  await queue.recover()
  await queue.health()
  await desk.job()
  await jobs.claims.next(['test'], 1, aLease())
  await jobs.claims.renew(aLease(), [1])
  await jobs.active('test', 10)
  await jobs.slots.next(['test'], [{ of: { userId: 1 }, span: 60_000, most: 10 }])
  await jobs.reservations.counts(['test'], 1)
  await jobs.reservations.anyOf(1)
  await jobs.claims.workers()
  await jobs.reservations.promised()
  await jobs.reservations.reserved(1)
  await jobs.reservations.held(['a'])
  const walks: string[] = []
  for (const sql of statements) {
    const steps = await planOf(desk.database, sql)
    // An index of those that have not ended may be walked through.
    if (steps.some((step) => /^SCAN (jobs|other)$/.test(step))) walks.push(sql)
  }
  t.true(statements.size > 8)
  t.deepEqual(walks, [])
})
