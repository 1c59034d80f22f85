import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { type Sent, type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkIn } from '../helpers/chat.ts'
import { disagreements, openFiles, serverCopies } from '../helpers/consistency.ts'
import { seeded, seedOfRun } from '../helpers/seeded-random.ts'
import { cleanUp, type Roles, startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const isLong = process.env.KILL_TEST === 'long'
const plan = isLong
  ? { files: 300, botKills: 50, serverKills: 10, patience: 600_000 }
  : { files: 60, botKills: 10, serverKills: 3, patience: 90_000 }
const users = 12

type Random = () => number

/** Files of all sizes; one in eight is sent a second time by someone else. */
async function sendAll(api: StandIn, random: Random, turn: Turns): Promise<Sent[]> {
  const sent: Sent[] = []
  for (let file = 0; file < plan.files; file++) {
    const seed = file % 8 === 7 ? file - 3 : file
    const size = 1000 + Math.floor(seeded(seed)() ** 3 * 4_000_000)
    const from = { id: 5000 + (file % users) }
    const spec = { name: `file ${file}.bin`, size, seed: `kill ${seed}`, unique_id: `kill${seed}` }
    sent.push(await turn(() => api.sendFile({ from, ...spec })))
    await delay(random() * 300)
  }
  return sent
}

/** Runs one action at a time: the user's client and the kills of the server it talks to. */
type Turns = <T>(action: () => Promise<T>) => Promise<T>

function inTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return (action) => {
    const next = last.then(action)
    last = next.catch(() => {})
    return next
  }
}

/** Ends the role at random moments, during its start as well as at work. */
async function killBot({ bot }: Roles, random: Random): Promise<void> {
  for (let kill = 0; kill < plan.botKills; kill++) {
    await delay(random() < 0.2 ? random() * 400 : 400 + random() * 2200)
    await bot.kill('SIGKILL')
    await delay(random() * 300)
    bot.spawn()
  }
}

async function killServer(api: StandIn, random: Random, turn: Turns): Promise<void> {
  for (let kill = 0; kill < plan.serverKills; kill++) {
    await delay(1000 + random() * 6000)
    await turn(() => api.restart('SIGKILL'))
  }
}

const chatsOf = async (api: StandIn) => {
  const ids = Array.from({ length: users }, (_, user) => 5000 + user)
  return await Promise.all(ids.map(async (id) => (await api.chat(id)).messages))
}

test('kill -9 at random moments loses no file, keeps none twice and tells everyone once', async (t) => {
  t.timeout(plan.patience + 120_000)
  const seed = seedOfRun()
  t.log(`TEST_SEED=${seed}`)
  const random = seeded(seed)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { RETRY_DELAYS: '1,2,4,8,8,8,8,8' })
  const { bot, web } = roles
  const before = (await openFiles(bot.pid as number)).length
  await api.settings({ download_bytes_per_second: 6_000_000 })

  const began = performance.now()
  const turn = inTurns()
  const [sent] = await Promise.all([
    sendAll(api, seeded(seed + 1), turn),
    killBot(roles, random),
    killServer(api, seeded(seed + 2), turn),
  ])
  const killed = performance.now()
  await until(
    'all jobs have ended and all messages are sent',
    () => {
      const [row] = bot.sql<{ n: number }>(`SELECT COUNT(*) AS n FROM jobs WHERE status = 'COMPLETED'`)
      const [open] = bot.sql<{ n: number }>(
        'SELECT COUNT(*) AS n FROM messages WHERE sent_revision < revision AND failure IS NULL',
      )
      return row?.n === plan.files && open?.n === 0
    },
    plan.patience,
  )
  const mended = performance.now()

  const shown = (await chatsOf(api)).map((messages) => messages.filter((message) => message.from.is_bot))
  const answers = sent.map(({ chat_id, message_id }) =>
    (shown[chat_id - 5000] ?? []).filter(({ reply_to_message_id }) => reply_to_message_id === message_id),
  )
  const doubled = answers.filter((messages) => messages.length > 1)
  for (const messages of doubled)
    t.log(
      'answered twice',
      messages.map(({ text, at }) => [at, text]),
    )
  t.true(answers.every((messages) => messages.filter((message) => linkIn(message)).length === 1))
  t.is(doubled.length, 0)

  for (const [at, { sha256 }] of sent.entries()) {
    const link = answers[at]?.map(linkIn).find((found) => found !== undefined)
    const { status, body } = await web.get(link?.path ?? '/')
    t.is(status, 200)
    t.is(createHash('sha256').update(body).digest('hex'), sha256 as string)
  }
  t.is(bot.sql('SELECT * FROM jobs').length, plan.files)
  t.is(bot.sql('SELECT * FROM links').length, plan.files)
  const removed = await cleanUp(web)
  t.deepEqual(await disagreements(bot), [])
  t.deepEqual(await serverCopies(api), [])

  const open = await openFiles(bot.pid as number)
  t.deepEqual(
    open.filter((path) => path.startsWith(api.dir) || path.startsWith(bot.storage)),
    [],
  )
  t.true(open.length <= before + 8, `${open.length} descriptors instead of ${before}`)
  const [recovered] = bot.sql<{ n: number }>(
    `SELECT COUNT(*) AS n FROM job_events WHERE event_type = 'JOB_RECOVERED_STALE'`,
  )
  const [most] = bot.sql<{ n: number }>('SELECT MAX(attempts) AS n FROM jobs')
  t.log(
    `${plan.files} files, ${plan.botKills} kills of the bot, ${plan.serverKills} of the server in ` +
      `${((killed - began) / 1000).toFixed(1)} s; all done ${((mended - killed) / 1000).toFixed(1)} s later; ` +
      `${recovered?.n} jobs recovered, at most ${most?.n} attempts; ` +
      `cleaned: ${removed.leftovers.files} server copies, ${removed.orphans} orphans; ` +
      `${open.length} descriptors (${before} at the start)`,
  )
})
