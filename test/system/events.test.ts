import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import type { App } from '../helpers/start-app.ts'
import { type Roles, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const stages = ['BOT', 'ORCHESTRATOR', 'QUEUE', 'WORKER', 'DOWNLOAD', 'TELEGRAM_SEND']

const rowsOf = (app: App) =>
  app
    .sql<{ event_type: string; job_id: number }>('SELECT event_type, job_id FROM job_events ORDER BY id')
    .map(({ event_type }) => event_type)

/** Waits until the last word of a job has arrived, and returns its events in their order. */
async function eventsUntil({ bot }: Roles, last: string): Promise<string[]> {
  await until(`${last} is recorded`, () => rowsOf(bot).includes(last), 20_000)
  return rowsOf(bot)
}

/** Each row has its line in the log, with what 12.2 asks for. */
function unlogged({ bot }: Roles): unknown[] {
  const rows = bot.sql<{ event_type: string; job_id: number }>('SELECT event_type, job_id FROM job_events')
  const lines = bot.lines.filter(({ event }) => event !== undefined)
  return rows.filter(({ event_type, job_id }) => {
    const line = lines.find((line) => line.event === event_type && line.job_id === job_id)
    return !line?.user_id || !line.chat_id || !line.kind || !stages.includes(String(line.stage))
  })
}

test.serial('the events of a file that arrives, in their order, as rows and lines of the log', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await linkFor(api, await api.sendFile())
  const events = await eventsUntil(roles, 'TELEGRAM_SEND_FINISHED')
  t.deepEqual(events, [
    'JOB_CREATED',
    'STATUS_CHANGED',
    'STATUS_CHANGED',
    'WORKER_ASSIGNED',
    'DOWNLOAD_STARTED',
    'DOWNLOAD_FINISHED',
    'OUTPUT_VALIDATED',
    'STATUS_CHANGED',
    'JOB_COMPLETED',
    'TELEGRAM_SEND_STARTED',
    'TELEGRAM_SEND_FINISHED',
  ])
  // The log comes through a pipe, a little after the row.
  await until('each row has its line', () => unlogged(roles).length === 0)
})

test.serial(
  'the events of a failure that passes: RETRY_SCHEDULED with its class, then the rest',
  async (t) => {
    await using api = await startBotApi()
    await using roles = await startRoles(api, { RETRY_DELAYS: '1,1' })
    await api.fault({ method: 'download' })
    await linkFor(api, await api.sendFile())
    const events = await eventsUntil(roles, 'TELEGRAM_SEND_FINISHED')
    t.deepEqual(
      events.filter((event) => /RETRY|FAILED/.test(event)),
      ['DOWNLOAD_FAILED', 'RETRY_SCHEDULED'],
    )
    const line = roles.bot.lines.find(({ event }) => event === 'RETRY_SCHEDULED')
    t.is(line?.error_type, 'NETWORK_ERROR')
    t.is(line?.attempts, 1)
    // The log comes through a pipe, a little after the row.
    await until('each row has its line', () => unlogged(roles).length === 0)
  },
)

test.serial(
  'the events of a failure that does not pass: RETRY_SKIPPED, JOB_FAILED, and the word to the user',
  async (t) => {
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const error = { error_code: 400, description: 'Bad Request: invalid file_id' }
    await api.fault({ method: 'getFile', error })
    await api.sendFile()
    const events = await eventsUntil(roles, 'TELEGRAM_SEND_FINISHED')
    t.deepEqual(
      events.filter((event) => /RETRY|FAILED/.test(event)),
      ['DOWNLOAD_FAILED', 'RETRY_SKIPPED', 'JOB_FAILED'],
    )
    // The log comes through a pipe, a little after the row.
    await until('each row has its line', () => unlogged(roles).length === 0)
  },
)

test.serial('the events of a job that fails each time: MAX_RETRIES_REACHED, JOB_FAILED', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api, { RETRY_DELAYS: '1' })
  await api.fault({ method: 'download', count: 2 })
  await api.sendFile()
  const events = await eventsUntil(roles, 'TELEGRAM_SEND_FINISHED')
  t.deepEqual(
    events.filter((event) => /RETR|FAILED/.test(event)),
    ['DOWNLOAD_FAILED', 'RETRY_SCHEDULED', 'DOWNLOAD_FAILED', 'MAX_RETRIES_REACHED', 'JOB_FAILED'],
  )
  const [job] = roles.bot.sql('SELECT status, error_type FROM jobs')
  t.deepEqual({ ...job }, { status: 'FAILED', error_type: 'NETWORK_ERROR' })
  // The log comes through a pipe, a little after the row.
  await until('each row has its line', () => unlogged(roles).length === 0)
})

test.serial('a final message that cannot be delivered is TELEGRAM_SEND_FAILED with the reason', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  await api.settings({ download_bytes_per_second: 0 })
  const { chat_id } = await api.sendFile()
  await api.waitForMessage(chat_id, ({ from }) => from.is_bot)
  await api.block(chat_id)
  await api.settings({ download_bytes_per_second: null })
  const events = await eventsUntil(roles, 'TELEGRAM_SEND_FAILED')
  t.true(events.includes('JOB_COMPLETED'))
  t.false(events.includes('TELEGRAM_SEND_FINISHED'))
  t.regex(String(roles.bot.lines.find(({ event }) => event === 'TELEGRAM_SEND_FAILED')?.reason), /blocked/)
  // The log comes through a pipe, a little after the row.
  await until('each row has its line', () => unlogged(roles).length === 0)
})
