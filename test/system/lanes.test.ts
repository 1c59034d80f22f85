import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const megabyte = 1_000_000

/** Seconds from a moment until a link is there. */
const secondsFrom = (began: number) => (performance.now() - began) / 1000

test.serial(
  'small files never wait behind a large one, which ends in about the time that all bytes take',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using _app = await startApp({ api, env: wide })
    await linkFor(api, await api.sendFile({ from: { id: 1 }, seed: 'first' }))
    const rate = 4 * megabyte
    await api.settings({ download_bytes_per_second: rate })
    const began = performance.now()
    const large = await api.sendFile({ from: { id: 2 }, size: 60 * megabyte, seed: 'large' })
    const largeIsThere = linkFor(api, large, 90_000).then(() => secondsFrom(began))
    await until(
      'the large one comes',
      async () => Number((await api.state()).bots[0]?.downloads[0]?.received) > 0,
    )
    const waits: number[] = []
    for (let file = 0; file < 10; file++) {
      const asked = performance.now()
      const sent = await api.sendFile({
        from: { id: 100 + file },
        size: megabyte,
        seed: file,
        name: `${file}`,
      })
      await linkFor(api, sent)
      waits.push(secondsFrom(asked))
    }
    const seconds = await largeIsThere
    const ideal = (60 + 10) / 4
    const slowest = Math.max(...waits)
    t.log(
      `large: ${seconds.toFixed(1)} s, ideal for all bytes ${ideal} s; small: at most ${slowest.toFixed(2)} s`,
    )
    t.true(slowest < 3, `a small one took ${slowest} s`)
    t.true(seconds < ideal * 1.25, `the large one took ${seconds} s, ideal is ${ideal} s`)
  },
)

test.serial(
  'a transfer that stands still lets the others of its lane go first, and ends when it goes on',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, env: { ...wide, SMALL_FILE_SIZE: '0', STALL_SECONDS: '2' } })
    const size = 2 * megabyte
    await api.settings({ stalled_files: { stuck: 500_000 } })
    const stuck = await api.sendFile({ from: { id: 1 }, size, seed: 'stuck', unique_id: 'stuck' })
    await until(
      'it stands still',
      async () => Number((await api.state()).bots[0]?.downloads[0]?.received) >= 500_000,
    )
    const began = performance.now()
    const others = await Promise.all([2, 3, 4].map((id) => api.sendFile({ from: { id }, size, seed: id })))
    await Promise.all(others.map((message) => linkFor(api, message)))
    t.true(secondsFrom(began) < 8, `${secondsFrom(began)} s`)
    await api.waitForMessage(1, ({ text }) =>
      /Telegram sends nothing of this file.*next try is in/.test(text ?? ''),
    )
    t.like(app.sql('SELECT status, attempts, deferrals, error_type FROM jobs WHERE user_id = 1')[0], {
      status: 'QUEUED',
      attempts: 0,
      deferrals: 1,
      error_type: 'STALLED',
    })
    await api.settings({ stalled_files: {} })
    const { message_id, inline_keyboard } = await api.waitForMessage(1, ({ inline_keyboard }) =>
      Boolean(inline_keyboard),
    )
    const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
    await api.press({ from: { id: 1 }, chat_id: 1, message_id, data })
    await linkFor(api, stuck)
    const [{ n = 0 } = {}] = app.sql<{ n: number }>('SELECT COUNT(*) AS n FROM links')
    t.is(n, 4)
  },
)

test.serial(
  'small files that stand still are put off at the same time, also beside a large one that grows',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    // Put off after 6 s, one after the other after 36.
    await using app = await startApp({ api, env: { ...wide, STALL_SECONDS: '18' } })
    await linkFor(api, await api.sendFile({ from: { id: 1 }, seed: 'first' }))
    const ids = Array.from({ length: 6 }, (_, at) => `stuck ${at}`)
    const stalled_files = Object.fromEntries(ids.map((id) => [id, 0]))
    await api.settings({ download_bytes_per_second: 500_000, stalled_files })
    await api.sendFile({ from: { id: 50 }, size: 60_000_000, seed: 'large' })
    await until('the large one grows', async () => {
      const [download] = (await api.state()).bots[0]?.downloads ?? []
      return Number(download?.received) > 400_000
    })
    for (const [at, id] of ids.entries())
      await api.sendFile({ from: { id: 100 + at }, size: 30_000, seed: id, unique_id: id })
    const putOff = () => app.sql('SELECT id FROM jobs WHERE user_id >= 100 AND deferrals > 0').length
    await until('all are put off', () => putOff() === 6, 25_000)
    t.is(app.sql(`SELECT id FROM jobs WHERE user_id = 50 AND status = 'RUNNING'`).length, 1)
  },
)

test.serial('a small file that comes in drops holds up the next one for a while only', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using _app = await startApp({ api, env: { ...wide, STALL_SECONDS: '18' } })
  await linkFor(api, await api.sendFile({ from: { id: 1 }, seed: 'first' }))
  await api.settings({ download_bytes_per_second: 1_000_000, stalled_files: { drops: 1 } })
  const slow = await api.sendFile({ from: { id: 2 }, size: 10_000_000, unique_id: 'drops' })
  const received = async () => Number((await api.state()).bots[0]?.downloads[0]?.received ?? 0)
  let drops = 0
  const dripping = setInterval(() => void api.settings({ stalled_files: { drops: ++drops * 65_536 } }), 500)
  t.teardown(() => clearInterval(dripping))
  await until('it comes', async () => (await received()) > 65_536)
  const began = performance.now()
  await linkFor(api, await api.sendFile({ from: { id: 3 }, size: 1000 }))
  t.true(secondsFrom(began) < 8, `${secondsFrom(began)} s`)
  clearInterval(dripping)
  await api.settings({ stalled_files: {} })
  await linkFor(api, slow, 60_000)
})

test.serial(
  'more small files that stand still than a lane has places hold up the next one for no longer than one large file does',
  async (t) => {
    t.timeout(120_000)
    await using api = await startBotApi()
    await using _app = await startApp({ api, env: { ...wide, STALL_SECONDS: '24' } })
    const people = [1, 2, 3, 4, 5, 6, 7, 8]
    await api.settings({ stalled_files: Object.fromEntries(people.map((id) => [`stuck ${id}`, 0])) })
    for (const id of people) {
      await api.sendFile({ from: { id }, size: 30_000, seed: id, unique_id: `stuck ${id}` })
    }
    const began = performance.now()
    await linkFor(api, await api.sendFile({ from: { id: 9 }, seed: 'next' }), 60_000)
    t.true(secondsFrom(began) < 20, `${secondsFrom(began)} s`)
  },
)

test.serial(
  'a transfer that stands still for hours while others come has failed, with a true word',
  async (t) => {
    t.timeout(60_000)
    await using api = await startBotApi()
    await using app = await startApp({ api, env: { ...wide, STALL_SECONDS: '1' } })
    await api.settings({ stalled_files: { stuck: 0 } })
    await api.sendFile({ from: { id: 1 }, size: megabyte, seed: 'stuck', unique_id: 'stuck' })
    const deferrals = () => app.sql<{ n: number }>('SELECT deferrals AS n FROM jobs WHERE user_id = 1')[0]?.n
    await until('it was put off', () => deferrals() === 1)
    await linkFor(api, await api.sendFile({ from: { id: 2 }, size: megabyte, seed: 'other' }))
    // The hours in which it is asked for again and again.
    app.sql('UPDATE jobs SET deferrals = 10, due_at = 0 WHERE user_id = 1 RETURNING id')
    const { text } = await api.waitForMessage(
      1,
      ({ text }) => /has sent nothing of this file for hours/.test(text ?? ''),
      20_000,
    )
    t.regex(text ?? '', /Press Retry|send it again/)
    t.like(app.sql('SELECT status FROM jobs WHERE user_id = 1')[0], { status: 'FAILED' })
    t.true((await saidIn(api, 2)).length > 0)
  },
)
