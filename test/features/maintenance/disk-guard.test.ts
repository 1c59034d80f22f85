import test from 'ava'
import type { BotContext } from '../../../app/context.ts'
import { Health } from '../../../app/core/health.ts'
import { Metrics } from '../../../app/core/metrics.ts'
import { metrics } from '../../../app/declarations.ts'
import { DiskGuard } from '../../../app/features/maintenance/disk-guard.ts'
import { Notices } from '../../../app/features/maintenance/notices.ts'
import type { DiskSpace } from '../../../app/store/index.ts'
import { openRecords, type Records } from '../../helpers/records.ts'

const [gigabyte, minute] = [1e9, 60_000]

/** A guard of disks whose room the test says, and what the administrator was told. */
function openGuard({ database, log }: Records) {
  const told: string[] = []
  let rooms: DiskSpace[] = []
  const context = {
    log,
    database,
    health: new Health(database, [{ name: 'disk', of: 'bot' }]),
    metrics: new Metrics(database, metrics),
    users: { administrators: async () => [1] },
    outbox: { post: async ({ text }: { text: string }) => void told.push(text) },
    store: { disks: async () => rooms },
  } as unknown as BotContext
  return {
    told,
    /** A guard as a new process has it. */
    open() {
      const guard = new DiskGuard(context, new Notices(context))
      return async (...spare: number[]) => {
        rooms = spare.map((spare, at) => room(['the store', 'the database'][at] ?? '', spare))
        await guard.look()
        return (await context.health.read()).disk?.ok
      }
    },
  }
}

const room = (of: string, spare: number): DiskSpace => ({
  of,
  spare,
  free: spare + 5 * gigabyte,
  total: 100 * gigabyte,
  margin: gigabyte / 2,
})

const later = ({ database }: Records, ms: number) =>
  database.query('UPDATE notices SET told_at = told_at - $1', ms)

test('at the edge of the limit the administrators are told once, and the disk is well only at a distance', async (t) => {
  await using records = await openRecords()
  const { open, told } = openGuard(records)
  const look = open()
  t.true(await look(gigabyte))
  for (let turn = 0; turn < 100; turn++) t.false(await look(turn % 2 === 0 ? -1000 : 1000))
  t.is(told.length, 1)
  t.regex(told[0] ?? '', /^The disk is nearly full: .*New files wait/)
  t.true(await look(gigabyte))
  t.is(told.length, 2)
  t.regex(told[1] ?? '', /has room again/)
})

test('a disk that runs full and empty by turns brings one pair of messages in ten minutes', async (t) => {
  await using records = await openRecords()
  const { open, told } = openGuard(records)
  const look = open()
  for (let turn = 0; turn < 50; turn++) {
    await look(-gigabyte)
    await look(gigabyte)
  }
  t.is(told.length, 2)
  await later(records, 11 * minute)
  await look(-gigabyte)
  t.is(told.length, 3)
})

test('what was told is known after a restart', async (t) => {
  await using records = await openRecords()
  const { open, told } = openGuard(records)
  await open()(-1000)
  t.false(await open()(1000), 'still at the edge')
  t.is(told.length, 1)
  t.true(await open()(gigabyte))
  t.is(told.length, 2)
})

test('the disk of the database counts as well, and is named', async (t) => {
  await using records = await openRecords()
  const { open, told } = openGuard(records)
  t.false(await open()(50 * gigabyte, -1))
  t.regex(told[0] ?? '', /^The disk of the database is nearly full/)
})
