import test from 'ava'
import { Jobs } from '../../app/jobs/index.ts'
import { aLease, openDesk, queueOf } from '../engine/desk.ts'

test('what the queue asks again and again walks through no job that has ended', async (t) => {
  await using desk = await openDesk()
  const statements = new Set<string>()
  const database = {
    ...desk.database,
    query<R extends Record<string, unknown>>(sql: string, ...parameters: unknown[]): Promise<R[]> {
      statements.add(sql)
      return desk.database.query<R>(sql, ...parameters)
    },
  }
  const jobs = new Jobs(database, desk.log)
  await using queue = queueOf({ ...desk, database }, jobs, [])
  await queue.recover()
  await queue.health()
  await desk.job()
  await jobs.claim('test', 1, aLease())
  await jobs.renew(aLease(), [1])
  await jobs.active('test', 10)
  await jobs.load.nextSlot([{ of: { userId: 1 }, span: 60_000, most: 10 }])
  await jobs.load.counts(1)
  await jobs.load.promised()
  await jobs.load.reserved(1)
  await jobs.making(['a'])
  const walks: string[] = []
  for (const sql of statements) {
    const plan = await desk.database.query<{ detail: string }>(
      `EXPLAIN QUERY PLAN ${sql}`,
      ...Array(20).fill(1),
    )
    // An index of those that have not ended may be walked through.
    walks.push(...plan.flatMap(({ detail }) => (/^SCAN (jobs|other)$/.test(detail) ? sql : [])))
  }
  t.true(statements.size > 8)
  t.deepEqual(walks, [])
})
