import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, saidIn } from '../helpers/chat.ts'
import { FakeClock, hasFakeClock } from '../helpers/fake-clock.ts'
import { type App, createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const day = 86_400

const withFakeClock = hasFakeClock ? test.serial : test.skip

/** The longest time, in milliseconds, for which the app left requests without an answer while `work` was done. */
async function longestSilence(app: App, work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let isDone = false
  const watch = (async () => {
    while (!isDone) {
      const asked = performance.now()
      await app.get('/robots.txt')
      longest = Math.max(longest, performance.now() - asked)
      await delay(5)
    }
  })()
  await work()
  isDone = true
  await watch
  return longest
}

for (const [title, seconds] of [
  ['a day forward', day],
  ['40 days forward', 40 * day],
  ['a day back', -day],
] as const) {
  withFakeClock(
    `the clock jumps ${title} while it runs: files get links, the clock’s entries go on, all is well`,
    async (t) => {
      t.timeout(120_000)
      await using api = await startBotApi()
      await using app = await createApp({ api, env: { ...wide, RETRY_DELAYS: '2,2' } })
      const clock = new FakeClock(app.dir)
      await clock.set(0)
      await app.start(clock.env)
      const health = async () =>
        JSON.parse((await app.get('/health')).text) as { parts: Record<string, { ok: boolean }> }
      await until('all is well', async () => (await app.get('/health')).status === 200, 20_000)
      await linkFor(api, await api.sendFile({ from: { id: 1 }, seed: 'before' }))

      // One waits for its retry, and one is on its way, when the clock is set.
      const error = { error_code: 500, description: 'Internal Server Error' }
      await api.fault({ method: 'getFile', error })
      const retried = await api.sendFile({ from: { id: 2 }, seed: 'retried' })
      await until(
        'it waits',
        () => app.sql(`SELECT 1 FROM jobs WHERE attempts = 1 AND status = 'QUEUED'`).length === 1,
      )
      const reports = () =>
        app.sql<{ at: number }>(`SELECT checked_at AS at FROM health WHERE part = 'queue'`)[0]?.at
      const silence = await longestSilence(app, async () => {
        await clock.set(seconds)
        await linkFor(api, retried)
        const sent = await Promise.all([3, 4].map((id) => api.sendFile({ from: { id }, seed: id })))
        for (const message of sent) await linkFor(api, message)
        const before = reports()
        await until('the clock’s entries go on', () => reports() !== before, 15_000)
      })
      t.log(`at most ${Math.round(silence)} ms without an answer`)
      t.true(silence < 500, `${silence} ms without an answer`)
      t.is((await app.get('/health')).status, 200, JSON.stringify(await health()))
      const said = (await Promise.all([1, 2, 3, 4].map((id) => saidIn(api, id)))).flat().join('\n')
      t.notRegex(said, /\d+ h|again in/)
      t.is(await app.kill('SIGTERM'), 0)
    },
  )
}
