import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Sent, type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkBase } from '../helpers/start-app.ts'
import { type Roles, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'
import { against, type Findings, quantile, seconds } from './figures.ts'
import type { Bench } from './part.ts'
import { loopDelay, peakMemory, watching } from './watched.ts'

const size = 20_000
const bigUser = 900_000

interface Asked {
  chat: number
  at: number
}

/** One file of each of `count` users, spread over `span` milliseconds. */
async function sendOneEach(api: StandIn, first: number, count: number, span: number): Promise<Asked[]> {
  const asked: Asked[] = []
  const began = performance.now()
  for (let user = 0; user < count; user++) {
    const chat = first + user
    asked.push({ chat, at: Date.now() })
    await api.sendFile({ from: { id: chat }, size, seed: `crowd ${chat}`, name: `${chat}.bin` })
    await delay(Math.max(0, began + (user * span) / count - performance.now()))
  }
  return asked
}

async function sendMany(api: StandIn, count: number): Promise<Sent[]> {
  const sent: Sent[] = []
  for (let file = 0; file < count; file++) {
    sent.push(await api.sendFile({ from: { id: bigUser }, size, seed: `big ${file}`, name: `${file}.bin` }))
  }
  return sent
}

/** When each chat was first told a link. */
async function linkedAt(api: StandIn, since: number): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for (const { at, duration_ms, params, status } of await api.calls(undefined, since)) {
    const chat = Number(params.chat_id)
    if (status !== 200 || found.has(chat) || !String(params.text).includes(linkBase)) continue
    found.set(chat, at + duration_ms)
  }
  return found
}

const finished = ({ bot }: Roles, user?: number) =>
  bot.sql<{ n: number }>(
    `SELECT COUNT(*) AS n FROM links ${user === undefined ? '' : `WHERE user_id = ${user}`}`,
  )[0]?.n ?? 0

/** Many people at once, then one with very many files among others with one each. */
export async function measureCrowd({ folder, quick, say }: Bench): Promise<Findings> {
  const [users, big, others, span] = quick ? [60, 40, 5, 1000] : [1000, 500, 40, 10_000]
  await using api = await startBotApi()
  await using roles = await startRoles(api, watching(folder, 'bot'), join(folder, 'crowd'))
  const { bot } = roles
  const since = Date.now()
  say(`${users} users send a file each within ${span / 1000} s`)
  const crowd = await sendOneEach(api, 100_000, users, span)
  say(`one user sends ${big} files, and ${others} others one each while these are served`)
  await sendMany(api, big)
  const bigSent = Date.now()
  const small: Asked[] = []
  const served = () => finished(roles, bigUser)
  while (served() < big && small.length < others) {
    small.push(...(await sendOneEach(api, 500_000 + small.length, 1, 0)))
    await delay(Math.min(500, span / 10))
  }
  const everyone = [...crowd, ...small]
  await until(
    'everyone with one file has their link',
    async () => {
      const told = await linkedAt(api, since)
      say(`${finished(roles)} links, ${told.size} chats told`)
      await delay(2000)
      return finished(roles) === users + big + small.length && everyone.every(({ chat }) => told.has(chat))
    },
    600_000,
  )
  const told = await linkedAt(api, since)
  const made = new Map(
    bot
      .sql<{ user_id: number; at: number }>(
        'SELECT user_id, MAX(created_at) AS at FROM links GROUP BY user_id',
      )
      .map(({ user_id, at }) => [user_id, at]),
  )
  const waits = (asked: Asked[], ends: Map<number, number>) =>
    asked.map(({ chat, at }) => (ends.get(chat) ?? Number.NaN) - at)
  const rows = [
    { who: `${users} users at once`, made: waits(crowd, made), told: waits(crowd, told) },
    { who: `${small.length} users beside the big one`, made: waits(small, made), told: waits(small, told) },
  ]
  const loop = await loopDelay(folder, 'bot')
  const memory = await peakMemory(bot.pid as number)
  const bigTime = (made.get(bigUser) ?? 0) - bigSent
  return {
    method: `seconds from sending a file of ${size} bytes to its link in the table and in the chat; the bot role by itself`,
    table: {
      columns: ['who', 'link made: median', 'p99', 'told: median', 'p99'],
      rows: rows.map(({ who, made, told }) => [
        who,
        ...[made, told].flatMap((series) => [0.5, 0.99].map((share) => seconds(quantile(series, share)))),
      ]),
    },
    conclusions: [
      `the big sender's ${big} files: the last link ${seconds(bigTime)} s after the last file was sent; a chat is told one a second`,
      `memory of the bot role at most ${memory.toFixed(0)} MiB; ${against(memory, 'below', 200, 'MiB')}`,
      `event loop of the bot role: p50 ${loop.p50.toFixed(1)}, p99 ${loop.p99.toFixed(1)}, max ${loop.max.toFixed(0)} ms; ` +
        against(loop.p99, 'below', 100, 'ms'),
    ],
    raw: { rows, loop, memory, bigTime },
  }
}
