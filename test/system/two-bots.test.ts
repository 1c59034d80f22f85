import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { newToken } from '../bot-api/fresh.ts'
import { linkFor, linkIn } from '../helpers/chat.ts'
import { findPostgres, type Server, startPostgres } from '../helpers/postgres.ts'
import { type App, createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const isThere = (await findPostgres()) !== undefined
const onPostgres = isThere ? test.serial : test.skip

let server: Server
if (isThere) {
  test.before(async () => {
    server = await startPostgres()
  })
  test.after.always(() => server[Symbol.asyncDispose]())
}

interface Bots extends AsyncDisposable {
  /** Started first, so it serves the updates. */
  leader: App
  other: App
  query<R>(sql: string): R[]
}

/** Two bot processes with one database and one store, as on two machines but for what is each one's own. */
async function startBots(api: StandIn): Promise<Bots> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-bots-'))
  const DATABASE_URL = await server.createDatabase()
  const create = async (name: string) => {
    const env = { ...wide, DATABASE_URL, STATE_DIRECTORY: join(dir, name) }
    return await createApp({ api, roles: ['bot'], env, dir })
  }
  const [leader, other] = [await create('one'), await create('other')]
  await leader.start()
  await other.start()
  await other.log(({ message }) => message === 'bot: another process serves the updates; this one does jobs')
  return {
    leader,
    other,
    query: (sql) => leader.sql(sql),
    async [Symbol.asyncDispose]() {
      // One of them may stand still.
      for (const bot of [leader, other]) if (bot.pid !== undefined) await bot.kill('SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

onPostgres('two bots divide the files: each file gets one link, and both of them worked', async (t) => {
  t.timeout(200_000)
  await using api = await startBotApi()
  await using bots = await startBots(api)
  const sent = await Promise.all(
    Array.from({ length: 60 }, (_, at) => api.sendFile({ from: { id: 1 + (at % 6) }, seed: `file ${at}` })),
  )
  const links = await Promise.all(sent.map((file) => linkFor(api, file, 120_000)))
  t.is(new Set(links.map(({ uuid }) => uuid)).size, 60)
  const chats = await Promise.all([1, 2, 3, 4, 5, 6].map((id) => api.chat(id)))
  const told = chats.flatMap(({ messages }) => messages).filter((message) => linkIn(message) !== undefined)
  t.is(told.length, 60, 'each link is told once')
  const begun = bots.query<{ job_id: number; data: string }>(
    "SELECT job_id, data FROM job_events WHERE event_type = 'WORKER_ASSIGNED'",
  )
  t.is(begun.length, 60, 'each job was begun once')
  t.is(new Set(begun.map(({ job_id }) => job_id)).size, 60)
  const workers = new Set(begun.map(({ data }) => String(JSON.parse(data).worker.split(':')[1])))
  t.deepEqual(workers, new Set([bots.leader, bots.other].map(({ pid }) => String(pid))))
})

for (const [what, signal] of [
  ['is killed', 'SIGKILL'],
  ['stands still', 'SIGSTOP'],
] as const) {
  onPostgres(`when the bot that serves the updates ${what}, the other one does within 30 s`, async (t) => {
    t.timeout(200_000)
    await using api = await startBotApi()
    await using bots = await startBots(api)
    await linkFor(api, await api.sendFile({ seed: 'before' }), 60_000)
    process.kill(bots.leader.pid as number, signal)
    const at = performance.now()
    const sent = await api.sendFile({ seed: 'after' })
    await bots.other.log(({ message }) => message.endsWith('has gone: this one does'), 30_000)
    const seconds = Math.round((performance.now() - at) / 1000)
    // On one machine it can be looked up that a process has ended.
    if (signal === 'SIGKILL') t.true(seconds < 5)
    t.log(`taken over after ${seconds} s`)
    await linkFor(api, sent, 60_000)
    if (signal === 'SIGSTOP') {
      process.kill(bots.leader.pid as number, 'SIGCONT')
      t.is(await bots.leader.ended(), 1, 'the one before ends, to start anew')
    }
    const links = bots.query<{ n: number }>('SELECT count(*) AS n FROM links')
    t.deepEqual(links, [{ n: 2 }])
  })
}

onPostgres('a bot that is started anew after a crash does not wait for itself', async (t) => {
  t.timeout(100_000)
  await using api = await startBotApi()
  await using bots = await startBots(api)
  await bots.other.kill('SIGTERM')
  await bots.leader.restart('SIGKILL')
  t.true(bots.leader.lines.some(({ message }) => message.endsWith('has gone: this one does')))
  await linkFor(api, await api.sendFile({ seed: 'after' }))
})

onPostgres(
  'a server that is away for longer than a leader can be sure ends no bot, and loses no file',
  async (t) => {
    t.timeout(200_000)
    await using api = await startBotApi()
    await using bots = await startBots(api)
    await linkFor(api, await api.sendFile({ seed: 'before' }), 60_000)
    await server.stop()
    const at = performance.now()
    const sent = await api.sendFile({ seed: 'meanwhile' })
    await until('the outage has lasted', () => performance.now() - at > 10_000, 20_000)
    await server.start()
    await linkFor(api, sent, 60_000)
    for (const bot of [bots.leader, bots.other]) {
      t.is(process.kill(bot.pid as number, 0), true)
      t.deepEqual(
        bot.lines.filter(({ level }) => level === 'fatal'),
        [],
      )
    }
    t.deepEqual(bots.query<{ n: number }>('SELECT count(*) AS n FROM links'), [{ n: 2 }])
  },
)

onPostgres('a folder in which nothing can be kept is one clear line, and the end', async (t) => {
  const env = { DATABASE_URL: await server.createDatabase(), STATE_DIRECTORY: '/proc/none' }
  await using app = await createApp({ roles: ['bot'], env: { ...env, TELEGRAM_BOT_TOKEN: newToken() } })
  app.spawn()
  t.is(await app.ended(), 1)
  t.deepEqual(
    app.lines.map(({ message }) => message),
    ['STATE_DIRECTORY: /proc/none cannot be made (ENOENT)'],
  )
})

onPostgres('a bot that stops as it should hands the updates over at once', async (t) => {
  t.timeout(100_000)
  await using api = await startBotApi()
  await using bots = await startBots(api)
  await bots.leader.kill('SIGTERM')
  const sent = await api.sendFile({ seed: 'after' })
  const at = performance.now()
  await linkFor(api, sent, 60_000)
  t.log(`after ${Math.round(performance.now() - at)} ms`)
  await until('its beats are written', () => {
    const [row] = bots.query<{ beat: number }>('SELECT beat FROM leaders')
    return (row?.beat ?? 0) > 2
  })
  t.pass()
})
