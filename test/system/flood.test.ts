import test from 'ava'
import { type Call, startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const users = [6001, 6002, 6003, 6004, 6005]
const filesOfEach = 4

/** Calls that were made before the waiting time of the refusal before them was over. */
function tooEarly(calls: Call[], waits: Map<number, number>): string[] {
  const heldUntil = new Map<unknown, number>()
  const early: string[] = []
  for (const { at, method, params, status, duration_ms } of calls) {
    const chat = params.chat_id
    const until = heldUntil.get(chat) ?? 0
    if (at < until) early.push(`${method} to ${chat} ${until - at} ms before its time`)
    if (status === 429) heldUntil.set(chat, at + duration_ms + (waits.get(Number(chat)) ?? 0) * 1000)
  }
  return early
}

test('flood waits on half of all calls: every message arrives, and none is sent before its time', async (t) => {
  t.timeout(240_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { RETRY_DELAYS: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1' })
  // The waiting time of a chat is always the same, so that the calls themselves tell what it was.
  const waits = new Map(users.map((user, at) => [user, at + 1]))
  for (const [chat_id, retry_after] of waits) {
    const description = `Too Many Requests: retry after ${retry_after}`
    const error = { error_code: 429, description, retry_after }
    await api.fault({ method: '*', chat_id, count: -1, probability: 0.5, error })
  }
  const since = Date.now()
  const sent = await Promise.all(
    users.flatMap((id) =>
      Array.from({ length: filesOfEach }, (_, file) =>
        api.sendFile({ from: { id }, size: 50_000, seed: `${id}/${file}`, name: `${file}.bin` }),
      ),
    ),
  )
  for (const message of sent) await linkFor(api, message, 180_000)
  await until('nothing waits to be sent', () => {
    const [open] = roles.bot.sql<{ n: number }>(
      'SELECT COUNT(*) AS n FROM messages WHERE sent_revision < revision AND failure IS NULL',
    )
    return open?.n === 0
  })

  const calls = (await api.calls(undefined, since)).filter(({ params }) => waits.has(Number(params.chat_id)))
  const refused = calls.filter(({ status }) => status === 429).length
  t.true(refused >= sent.length / 2, `only ${refused} refusals`)
  t.deepEqual(tooEarly(calls, waits), [])
  for (const id of users) {
    const { messages } = await api.chat(id)
    const answered = messages.filter(({ from }) => from.is_bot).map((message) => message.reply_to_message_id)
    const asked = messages.filter(({ from }) => !from.is_bot).map((message) => message.message_id)
    t.deepEqual(answered, asked, 'each file has one answer, in the order in which they were sent')
  }
  t.log(`${calls.length} calls, ${refused} refused, ${((Date.now() - since) / 1000).toFixed(0)} s`)
})

test('flood waits on half of the transfers: each file arrives, and getFile waits as long as it was told', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using roles = await startRoles(api, { RETRY_DELAYS: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1' })
  const error = { error_code: 429, description: 'Too Many Requests: retry after 2', retry_after: 2 }
  await api.fault({ method: 'getFile', count: -1, probability: 0.5, error })
  const sent = await Promise.all(
    Array.from({ length: 12 }, (_, file) => api.sendFile({ size: 20_000, seed: `flood ${file}` })),
  )
  for (const message of sent) await linkFor(api, message, 90_000)

  const byFile = Map.groupBy(await api.calls('getFile'), ({ params }) => params.file_id)
  const pauses = [...byFile.values()].flatMap((calls) =>
    calls.slice(1).map((call, at) => call.at - (calls[at]?.at ?? 0) - (calls[at]?.duration_ms ?? 0)),
  )
  t.true(pauses.length > 0)
  t.true(Math.min(...pauses) >= 2000, `${Math.min(...pauses)} ms`)
  const reasons = roles.bot.sql<{ data: string }>(
    `SELECT data FROM job_events WHERE event_type = 'RETRY_SCHEDULED'`,
  )
  t.true(reasons.every(({ data }) => JSON.parse(data).error_type === 'RATE_LIMIT'))
  t.deepEqual(
    reasons.map(({ data }) => JSON.parse(data).retry_in_ms),
    reasons.map(() => 2000),
  )
})
