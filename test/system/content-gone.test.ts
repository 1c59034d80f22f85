import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { aLease, openJobs } from '../helpers/open-jobs.ts'
import { sha256 } from '../helpers/sha256.ts'
import type { App } from '../helpers/start-app.ts'
import { betweenSweeps, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const fileOf = ({ storage }: App, uuid: string) => join(storage, uuid.slice(0, 2), uuid)

/** Moves of a job to another kind, as their events tell. */
const changes = (bot: App) =>
  bot
    .sql<{ data: string }>(`SELECT data FROM job_events WHERE data LIKE '%content gone%'`)
    .map(({ data }) => JSON.parse(data) as Record<string, unknown>)

test('a move that changes the kind and the promise of a job does both or nothing', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job({ kind: 'known', size: 0 })
  const job = await desk.jobs.claims.next(['known'], 1, aLease('one'))
  const move = { countsAsAttempt: false, as: { kind: 'fetched', size: 700 } }
  t.false(await desk.jobs.transition(id, 'RUNNING', 'QUEUED', move, 'other'))
  t.is(await desk.jobs.reservations.promised(), 0)
  t.true(await desk.jobs.transition(id, 'RUNNING', 'QUEUED', move, job?.worker))
  t.is(await desk.jobs.reservations.promised(), 700)
  t.is(await desk.jobs.claims.next(['known'], 1, aLease()), undefined)
  t.like(await desk.jobs.claims.next(['fetched'], 1, aLease()), { id, kind: 'fetched', attempts: 1 })
})

test.serial('known files whose content has gone wait for the one lane that fetches', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { SMALL_FILE_SIZE: '0' })
  const { bot, web } = roles
  const file = { seed: 'gone', unique_id: 'gone', size: 200_000 }
  const first = await linkFor(api, await api.sendFile(file))
  await betweenSweeps()
  await api.settings({ download_bytes_per_second: 0 })
  const long = await api.sendFile({ from: { id: 2 }, size: 1_000_000, seed: 'long' })
  await until('a transfer is under way', async () => (await api.state()).bots[0]?.downloads.length === 1)
  const asked = (await api.calls('getFile')).length
  await rm(fileOf(bot, first.uuid))
  const sent = await Promise.all([3, 4, 5].map((id) => api.sendFile({ from: { id }, ...file })))
  await until('they have gone to the other lane', () => changes(bot).length === sent.length)
  t.deepEqual(
    changes(bot),
    sent.map(() => ({
      from: 'RUNNING',
      to: 'QUEUED',
      reason: 'content gone',
      kind: 'ingest',
      size: 200_000,
    })),
  )
  const waiting = `SELECT kind, size, attempts, worker FROM jobs WHERE status = 'QUEUED'`
  t.deepEqual(
    bot.sql(waiting),
    sent.map(() => ({ kind: 'ingest', size: 200_000, attempts: 0, worker: null })),
  )
  t.is((await api.calls('getFile')).length, asked)

  await api.settings({ download_bytes_per_second: null })
  await linkFor(api, long)
  for (const message of sent) {
    const { body } = await web.get((await linkFor(api, message)).path)
    t.is(sha256(body), message.sha256 as string)
  }
  t.is((await api.calls('getFile')).length, asked + 1, 'one fetched for all')
})

test.serial('a known file whose content has gone waits for room like any other', async (t) => {
  t.timeout(60_000)
  await using api = await startBotApi()
  const huge = 1e14
  await using roles = await startRoles(api, { MAX_FILE_SIZE: String(1e15) })
  const { bot } = roles
  const first = await linkFor(api, await api.sendFile({ seed: 'huge', unique_id: 'huge' }))
  await betweenSweeps()
  await rm(fileOf(bot, first.uuid))
  bot.sql(`UPDATE links SET size = ${huge}`)
  const sent = await api.sendFile({ from: { id: 2 }, seed: 'huge', unique_id: 'huge', announced_size: huge })
  await api.waitForMessage(2, ({ text }) => /disk is full\. Your file waits/.test(text ?? ''))
  t.deepEqual(bot.sql(`SELECT kind, size, attempts, error_type FROM jobs WHERE status = 'QUEUED'`), [
    { kind: 'ingest', size: huge, attempts: 0, error_type: 'NO_ROOM' },
  ])
  t.is((await api.calls('getFile')).length, 1, `only the first, not ${sent.message_id}`)
  // What it was promised was never there: it takes no room from what fits.
  await linkFor(api, await api.sendFile({ from: { id: 3 }, seed: 'small' }))
})

test.serial('a known file that a bad disk has cut short is fetched again', async (t) => {
  await using api = await startBotApi()
  await using roles = await startRoles(api)
  const { bot, web } = roles
  const file = { seed: 'cut', unique_id: 'cut', size: 200_000 }
  const first = await linkFor(api, await api.sendFile(file))
  await truncate(fileOf(bot, first.uuid), 1000)
  const sent = await api.sendFile({ from: { id: 2 }, ...file })
  const { body } = await web.get((await linkFor(api, sent)).path)
  t.is(sha256(body), sent.sha256 as string)
})
