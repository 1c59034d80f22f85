import test from 'ava'
import { monotonicNow } from '../../app/core/monotonic-time.ts'
import { type JobLimits, refusalOf } from '../../app/jobs/index.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { openJobs } from '../helpers/open-jobs.ts'
import { startRoles, wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const open = { MAINTENANCE_MODE: false }
const wideLimits: JobLimits = {
  kinds: ['test', 'test-more'],
  maxQueued: 100,
  maxActive: 100,
  rates: () => [],
}

test('within the limits a job is taken', async (t) => {
  await using desk = await openJobs()
  await desk.job()
  t.is(await refusalOf(desk.jobs, open, wideLimits, 1), undefined)
})

test('the queue has a length, whoever fills it', async (t) => {
  await using desk = await openJobs()
  for (const user of [5, 6, 7]) await desk.job({ user })
  t.deepEqual(await refusalOf(desk.jobs, open, { ...wideLimits, maxQueued: 3 }, 1), { limit: 'queue' })
  t.is(await refusalOf(desk.jobs, open, { ...wideLimits, maxQueued: 4 }, 1), undefined)
})

test('the active jobs of one user are limited; those that have ended do not count', async (t) => {
  await using desk = await openJobs()
  const ids = [await desk.job(), await desk.job({ kind: 'test-more' }), await desk.job({ user: 2 })]
  const limits = { ...wideLimits, maxActive: 2 }
  t.deepEqual(await refusalOf(desk.jobs, open, limits, 1), { limit: 'active', most: 2 })
  t.is(await refusalOf(desk.jobs, open, limits, 2), undefined)
  await desk.jobs.transition(ids[0] as number, 'QUEUED', 'FAILED')
  t.is(await refusalOf(desk.jobs, open, limits, 1), undefined)
})

test('what a user has asked for of other kinds counts for no limit of these', async (t) => {
  await using desk = await openJobs()
  for (let job = 0; job < 10; job++) await desk.job({ kind: 'other' })
  const limits = { ...wideLimits, maxQueued: 1, maxActive: 1 }
  t.is(await refusalOf(desk.jobs, open, limits, 1), undefined)
  const rate = { of: { userId: 1 }, span: 60_000, most: 1 }
  t.true((await desk.jobs.slots.next(limits.kinds, [rate])) <= monotonicNow())
  t.true((await desk.jobs.slots.next(['other'], [rate])) > monotonicNow())
})

test('in maintenance mode nothing new is taken', async (t) => {
  await using desk = await openJobs()
  t.deepEqual(await refusalOf(desk.jobs, { MAINTENANCE_MODE: true }, wideLimits, 1), { limit: 'maintenance' })
})

test.serial('each limit has its own sentence, and what is refused is not taken', async (t) => {
  t.timeout(90_000)
  const cases = [
    {
      env: { MAX_QUEUE_LENGTH: '1' },
      says: /was not taken: there is too much to do just now\. Please try again in a few minutes/,
    },
    { env: { MAX_ACTIVE_JOBS_PER_USER: '1' }, says: /was not taken: 1 file of yours waits already\./ },
  ]
  for (const { env, says } of cases) {
    await using api = await startBotApi()
    await using roles = await startRoles(api, env)
    await api.settings({ download_bytes_per_second: 0 })
    await api.sendFile({ seed: 'first' })
    await until('the first is at work', async () => (await api.state()).bots[0]?.downloads.length === 1)
    const second = await api.sendFile({ seed: 'second' })
    const answer = await api.waitForMessage(second.chat_id, (message) => {
      return message.reply_to_message_id === second.message_id
    })
    t.regex(answer.text ?? '', says)
    t.is(roles.bot.sql('SELECT id FROM jobs').length, 1)
    t.true(roles.bot.lines.some(({ message, reason }) => message === 'file not taken' && reason))
  }
})

test.serial('maintenance mode refuses the new politely and finishes the old', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await api.settings({ download_bytes_per_second: 0 })
  const old = await api.sendFile({ seed: 'old' })
  await until('it is at work', async () => (await api.state()).bots[0]?.downloads.length === 1)
  await roles.bot.restart('SIGTERM', { ...wide, MAINTENANCE_MODE: 'on' })
  const late = await api.sendFile({ seed: 'late' })
  await api.waitForMessage(late.chat_id, ({ text }) => /takes no new files for the moment/.test(text ?? ''))
  await api.settings({ download_bytes_per_second: null })
  await linkFor(api, old)
  t.is(roles.bot.sql('SELECT id FROM jobs').length, 1)
})
