import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Schedule } from '../../app/core/schedule.ts'
import { fillStore } from '../bench/fill-store.ts'
import { startBotApi } from '../bot-api/client.ts'
import { openJobs } from '../helpers/open-jobs.ts'
import { createApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

test('a run of the clock’s is not begun while another one of it is going on', async (t) => {
  t.timeout(30_000)
  await using desk = await openJobs()
  let running = 0
  let most = 0
  let runs = 0
  const run = async () => {
    running++
    runs++
    most = Math.max(most, running)
    await delay(2500)
    running--
  }
  await using _cron = new Schedule([{ name: 'slow', schedule: '* * * * * *', atStart: true, run }], desk.log)
  await until('it has run twice', () => runs >= 2 && running === 0, 15_000)
  t.is(most, 1)
})

test('a run that fails is logged, and the next one comes', async (t) => {
  t.timeout(30_000)
  await using desk = await openJobs()
  let runs = 0
  const run = async () => {
    runs++
    if (runs === 1) throw new Error('once')
  }
  await using _cron = new Schedule(
    [{ name: 'failing', schedule: '* * * * * *', atStart: true, run }],
    desk.log,
  )
  await until('it runs again', () => runs >= 2, 10_000)
  t.true(desk.lines.some((line) => line.task === 'failing' && line.msg === 'scheduled task failed'))
})

test('a stop does not wait for the end of a long sweep, and the next start goes on with it', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-sweep-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const { databaseFile } = await fillStore(dir, 40_000)
  await using bot = await createApp({ api, roles: ['bot'], dir, env: { MIN_FREE_DISK: '1000000' } })
  t.is(bot.databaseFile, databaseFile)
  bot.sql('UPDATE links SET expires_at = 1')
  const left = () => bot.sql<{ n: number }>('SELECT COUNT(*) AS n FROM links WHERE removed_at IS NULL')[0]?.n
  await bot.start()
  await until('some are gone', () => (left() ?? 0) < 40_000)
  const before = Date.now()
  t.is(await bot.kill('SIGTERM'), 0)
  t.true(Date.now() - before < 4000, `${Date.now() - before} ms`)
  t.true((left() ?? 0) > 0)
  await bot.start()
  await until('all are gone', () => left() === 0, 60_000)
  t.deepEqual(await bot.stored(), [])
})
