import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { WallClock } from '../../app/core/wall-clock.ts'
import { openRecords, type Records } from '../helpers/records.ts'

const [hour, day] = [3_600_000, 86_400_000]
const realNow = Date.now
const realOrigin = performance.timeOrigin
let ahead = 0
let folder = ''

test.before(async () => {
  Date.now = () => realNow() + ahead
  // Nobody follows a time server here, whatever the machine does.
  folder = await mkdtemp(join(tmpdir(), 'tgdepot-clock-'))
  await writeFile(join(folder, 'timedatectl'), '#!/bin/sh\necho no\n', { mode: 0o755 })
  process.env.PATH = `${folder}:${process.env.PATH}`
})

test.after.always(() => rm(folder, { recursive: true }))

test.beforeEach(() => {
  ahead = 0
  Object.defineProperty(performance, 'timeOrigin', { value: realOrigin, configurable: true })
})

/** As a new process opens it. */
async function openClock({ database, log }: Records) {
  const clock = new WallClock(database, log)
  const moved = await database.transaction(() => clock.open())
  return { clock, moved }
}

test.serial(
  'a clock that jumps is not trusted from that very moment, and again when it is back',
  async (t) => {
    await using records = await openRecords()
    const { clock } = await openClock(records)
    t.true(clock.isTrusted)
    for (const jump of [2 * hour, -2 * hour, 400 * day, -400 * day]) {
      ahead = jump
      t.false(clock.isTrusted, 'before anyone has looked')
      await clock.look()
      t.false(clock.isTrusted)
      ahead = 0
      await clock.look()
      t.true(clock.isTrusted)
    }
    ahead = hour / 2
    await clock.look()
    t.true(clock.isTrusted, 'as by a time server that corrects it')
  },
)

test.serial('a doubt outlives restarts, and the owner’s word reaches a process that runs', async (t) => {
  await using records = await openRecords()
  await openClock(records)
  ahead = 31 * day
  const { clock } = await openClock(records)
  t.false(clock.isTrusted)
  t.regex(clock.describe(), /^31 days ahead/)
  t.false((await openClock(records)).clock.isTrusted)
  await new WallClock(records.database, records.log).confirm()
  await clock.look()
  t.true(clock.isTrusted)
  t.true((await openClock(records)).clock.isTrusted)
})

test.serial('a doubt that could not be written is not taken for confirmed', async (t) => {
  await using records = await openRecords()
  const { database, log } = records
  let fails = false
  const transaction = <T>(work: () => Promise<T>) =>
    database.transaction(async () => {
      const result = await work()
      if (fails) throw new Error('the disk is full')
      return result
    })
  const clock = new WallClock({ ...database, transaction }, log)
  await clock.open()
  ahead = 31 * day
  fails = true
  await t.throwsAsync(clock.look())
  fails = false
  await clock.look()
  t.false(clock.isTrusted)
})

test.serial('a clock that lags is not believed: what is made now does not end too early', async (t) => {
  await using records = await openRecords()
  const { clock } = await openClock(records)
  const before = realNow()
  ahead = -20 * 365 * day
  t.true(Math.abs(clock.now() - before) < 10_000)
  ahead = 20 * day
  t.true(clock.now() - before > 19 * day, 'nor is one ahead corrected: what it makes ends late')
})

test.serial('how far the clock was set back while nobody looked is told once', async (t) => {
  await using records = await openRecords()
  t.is((await openClock(records)).moved, 0)
  // Of a process that began at the right time: its waits are counted by that.
  await records.database.query('UPDATE clock SET steady_at = $1', realNow() + 10 * day)
  const { moved } = await openClock(records)
  t.true(Math.abs(moved + 10 * day) < 10_000)
  t.is((await openClock(records)).moved, 0)
})

/** As {@link openClock}, in a process that began when the clock stood as it does now: it counts its steady time from there. */
async function restart(records: Records) {
  const timeOrigin = realOrigin + ahead
  Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin, configurable: true })
  return await openClock(records)
}

test.serial('how far the clock was set forward is told once, and the time of a restart is not', async (t) => {
  await using records = await openRecords()
  const { clock } = await restart(records)
  ahead = 40 * day
  await clock.look()
  ahead += hour / 2
  const { moved } = await restart(records)
  t.true(Math.abs(moved - 40 * day) < 10_000, 'as found while it ran')
  t.is((await restart(records)).moved, 0)
  ahead += 40 * day
  t.true(Math.abs((await restart(records)).moved - 40 * day) < 10_000, 'as found at the start')
  ahead += hour / 2
  t.is((await restart(records)).moved, 0)
})

test.serial('the owner’s word while nothing runs leaves what waits to the next start', async (t) => {
  for (const jump of [40 * day, -40 * day]) {
    await using records = await openRecords()
    ahead = 0
    const { clock } = await restart(records)
    ahead = jump
    await clock.look()
    ahead += hour / 2
    await new WallClock(records.database, records.log).confirm()
    const { moved } = await restart(records)
    t.true(Math.abs(moved - jump) < 10_000, `${moved}`)
    t.is((await restart(records)).moved, 0)
  }
})

test.serial('a leap forward while it runs is remembered, one that came back is not', async (t) => {
  await using records = await openRecords()
  const { clock } = await restart(records)
  t.is(clock.leaptAt, 0)
  ahead = 20 * day
  await clock.look()
  t.true(Math.abs(clock.leaptAt - Date.now()) < 10_000)
  ahead = 0
  await clock.look()
  t.is(clock.leaptAt, 0)
  ahead = 20 * day
  await clock.look()
  await new WallClock(records.database, records.log).confirm()
  await clock.look()
  t.true(Math.abs((await restart(records)).clock.leaptAt - Date.now()) < 10_000)
})

test.serial('a time in which nothing ran is no leap', async (t) => {
  await using records = await openRecords()
  await restart(records)
  ahead = 20 * day
  const { clock } = await restart(records)
  await clock.look()
  t.is(clock.leaptAt, 0)
})
