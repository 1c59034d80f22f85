import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { openDatabase } from '../../app/core/database/database.ts'
import { fileKinds, knownFile } from '../../app/features/ingest/kinds.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { Links, linksSettings } from '../../app/links/index.ts'
import { Store, storeSettings } from '../../app/store/index.ts'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { allMigrations } from '../helpers/records.ts'
import { type App, createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'
import { against, type Findings, quantile } from './figures.ts'
import { type Filled, fillStore } from './fill-store.ts'
import type { Bench } from './part.ts'
import { loopDelay, watching } from './watched.ts'

const rounds = 7
const perRound = { decisions: 400, creations: 60 }

const any = <T>(list: T[]): T => list[Math.floor(Math.random() * list.length)] as T

/** Times of `count` requests one after another on one connection, in milliseconds. */
async function timeDecisions(where: string, uuids: string[], count: number): Promise<number[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  for (let request = 0; request < count; request++) {
    const began = performance.now()
    const status = await new Promise<number | undefined>((resolve, reject) => {
      http
        .get(`${where}/download/${any(uuids)}`, { agent }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode))
        })
        .on('error', reject)
    })
    times.push(performance.now() - began)
    if (status !== 200) throw new Error(`a download answers ${status}`)
  }
  agent.destroy()
  return times
}

/** Everything that a known file costs the tables and the store, from its arrival to its link. */
async function openMaker({ databaseFile, storage, uuids }: Filled) {
  const log = pino({ level: 'silent' })
  const database = await openDatabase({ DATABASE_URL: `sqlite:${databaseFile}` }, allMigrations)
  const jobs = new Jobs(database, log)
  const links = new Links(linksSettings.parse({}), database)
  const store = new Store(storeSettings.parse({ STORAGE_PATH: storage }), log)
  const last = `unique${Math.floor((uuids.length - 1) / 60_000)}`
  let made = 0
  const make = async (): Promise<number> => {
    const began = performance.now()
    const uuid = randomUUID()
    const userId = 10_000 + (made++ % 20)
    await jobs.slots.next(fileKinds, [{ of: { userId }, span: 60_000, most: 10 }])
    await jobs.reservations.counts(fileKinds, userId)
    await jobs.reservations.promised()
    await links.remainingQuota(userId)
    const known = await links.findByContent(last, 1000)
    const payload = {
      uuid,
      messageId: 1,
      fileId: 'id',
      fileUniqueId: last,
      name: 'file.bin',
      mimeType: 'text/plain',
    }
    await jobs.create(knownFile, { key: uuid, botId: 1, userId, chatId: userId, payload })
    const claimed = await jobs.claims.next([knownFile.name], 1, {
      worker: 'bench',
      until: Date.now() + 60_000,
    })
    if (!claimed || known === undefined || !(await store.linkExisting(known, uuid, 1000)))
      throw new Error('no known content')
    await database.transaction(async () => {
      const source = { botId: 1, fileId: 'id', chatId: userId, messageId: made }
      const file = { name: 'file.bin', mimeType: 'text/plain', size: 1000, fileUniqueId: last }
      await links.create({ uuid, userId, ...file, source, expiresAt: Date.now() + 1e9 })
      await jobs.transition(claimed.id, 'RUNNING', 'COMPLETED')
    })
    return performance.now() - began
  }
  return { make, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

interface Depot {
  filled: Filled
  bot: App
  web: App
}

async function prepare(folder: string, api: StandIn, count: number): Promise<Depot> {
  const dir = join(folder, `links-${count}`)
  const filled = await fillStore(dir, count)
  const bot = await createApp({
    api,
    roles: ['bot'],
    env: { ...wide, EXPIRED_GRACE_MINUTES: '0', ...watching(folder, 'scale-bot') },
    dir,
  })
  const web = await createApp({ roles: ['web'], env: { ...wide, X_ACCEL_PREFIX: '/_files/' }, dir })
  return { filled, bot, web }
}

/** Milliseconds from the start of both roles to the first 200 of /health. */
async function startToHealthy({ bot, web }: Depot): Promise<number> {
  const began = performance.now()
  bot.spawn()
  web.spawn()
  const where = await addressOf(web)
  const isWell = async () => (await fetch(`${where}/health`).catch(() => undefined))?.status === 200
  await until('health is well', isWell, 60_000)
  return performance.now() - began
}

const addressOf = async (web: App) => String((await web.log((line) => 'listening' in line)).listening)

async function stop({ bot, web }: Depot): Promise<void> {
  await Promise.all([bot.kill('SIGTERM'), web.kill('SIGTERM')])
}

async function compareDecisions(depots: Depot[]): Promise<number[][]> {
  const medians = depots.map((): number[] => [])
  const addresses = await Promise.all(depots.map(({ web }) => addressOf(web)))
  for (let round = 0; round <= rounds; round++) {
    for (const [at, { filled }] of depots.entries()) {
      const times = await timeDecisions(addresses[at] as string, filled.uuids, perRound.decisions)
      // The first round warms up.
      if (round > 0) medians[at]?.push(quantile(times, 0.5))
    }
  }
  return medians
}

async function compareCreations(depots: Depot[]): Promise<number[][]> {
  const medians = depots.map((): number[] => [])
  await using owned = new AsyncDisposableStack()
  const makers = []
  for (const { filled } of depots) makers.push(owned.use(await openMaker(filled)))
  for (let round = 0; round <= rounds; round++) {
    for (const [at, { make }] of makers.entries()) {
      const times: number[] = []
      for (let link = 0; link < perRound.creations; link++) times.push(await make())
      if (round > 0) medians[at]?.push(quantile(times, 0.5))
    }
  }
  return medians
}

/** Ends `count` links now and measures downloads while they are removed. */
async function measureRetention({ filled, bot, web }: Depot, folder: string, count: number) {
  const database = new DatabaseSync(filled.databaseFile, { timeout: 5000 })
  const sql = `UPDATE links SET expires_at = ? WHERE uuid IN
    (SELECT uuid FROM links WHERE removed_at IS NULL ORDER BY expires_at LIMIT ?)`
  database.prepare(sql).run(Date.now() + 100, count)
  database.close()
  web.spawn()
  const where = await addressOf(web)
  const alive = filled.uuids.slice(-Math.floor(filled.uuids.length / 2))
  await timeDecisions(where, alive, perRound.decisions)
  const quiet = await timeDecisions(where, alive, 2000)
  bot.spawn()
  const began = performance.now()
  let ended = false
  const run = bot
    .log((line) => line.message === 'expired links removed', 600_000)
    .finally(() => {
      ended = true
    })
  const times: number[] = []
  while (!ended) {
    times.push(...(await timeDecisions(where, alive, 50)))
    await delay(5)
  }
  const { links } = await run
  const duration = performance.now() - began
  await delay(1500)
  return { links, duration, times, quiet, loop: await loopDelay(folder, 'scale-bot') }
}

/** A store of a million links beside one of a thousand. */
export async function measureScale({ folder, quick, say }: Bench): Promise<Findings> {
  const [few, many, expired] = quick ? [1000, 20_000, 2000] : [1000, 1_000_000, 100_000]
  await using api = await startBotApi()
  say(`making stores of ${few} and ${many} links`)
  const depots = [await prepare(folder, api, few), await prepare(folder, api, many)]
  const large = depots[1] as Depot
  const starts: number[][] = [[], []]
  try {
    say('starts')
    for (let round = 0; round < 3; round++) {
      for (const [at, depot] of depots.entries()) {
        starts[at]?.push(await startToHealthy(depot))
        await stop(depot)
      }
    }
    say('decisions')
    for (const { web } of depots) web.spawn()
    const decisions = await compareDecisions(depots)
    for (const { web } of depots) await web.kill('SIGTERM')
    say('creations')
    const creations = await compareCreations(depots)
    say(`${expired} links end`)
    const retention = await measureRetention(large, folder, expired)
    const median = (series: number[][]) => series.map((figures) => quantile(figures, 0.5))
    const ratio = ([small = 1, big = 1]: number[]) => big / small
    const p99 = quantile(retention.times, 0.99)
    const row = (what: string, series: number[][], digits: number) => {
      const [small = 0, big = 0] = median(series)
      return [what, small.toFixed(digits), big.toFixed(digits), (big / small).toFixed(2)]
    }
    return {
      method: `milliseconds, medians of ${rounds} interleaved rounds (starts: of 3), each link with its finished job and message`,
      table: {
        columns: ['what', `${few} links`, `${many} links`, 'ratio'],
        rows: [
          row('start to healthy', starts, 0),
          row('download decision', decisions, 3),
          row('link creation', creations, 2),
        ],
      },
      conclusions: [
        `start to healthy: ${against(quantile(starts[1] as number[], 0.5), 'below', 3000, 'ms')}`,
        `decision: ${against(ratio(median(decisions)), 'below', 1.3)}; creation: ${against(ratio(median(creations)), 'below', 1.3)}`,
        `${retention.links} expired links gone in ${(retention.duration / 1000).toFixed(1)} s (with the start of the role); ` +
          `${retention.times.length} downloads meanwhile: p50 ${quantile(retention.times, 0.5).toFixed(2)}, ` +
          `p99 ${p99.toFixed(2)} ms (without: p99 ${quantile(retention.quiet, 0.99).toFixed(2)}); ${against(p99, 'below', 50, 'ms')}`,
        `event loop of the bot role meanwhile: p99 ${retention.loop.p99.toFixed(0)}, max ${retention.loop.max.toFixed(0)} ms`,
      ],
      raw: { starts, decisions, creations, retention: { ...retention, times: undefined, quiet: undefined } },
    }
  } finally {
    for (const { bot, web } of depots) await Promise.all([bot.kill(), web.kill()])
  }
}
