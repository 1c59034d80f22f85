import test from 'ava'
import { Health } from '../../app/core/health.ts'
import { healthParts } from '../../app/declarations.ts'
import { openDepot } from '../helpers/depot.ts'

test('a part says what was last reported', async (t) => {
  await using depot = await openDepot()
  const { health } = depot
  await health.report('disk', { ok: true, detail: 'room' })
  await health.report('disk', { ok: false, detail: 'full' })
  t.deepEqual((await health.read()).disk, { ok: false, detail: 'full' })
})

test('a part that was never reported is not ok', async (t) => {
  await using depot = await openDepot()
  const { bot_api } = await depot.health.read()
  t.deepEqual(bot_api, { ok: false, detail: 'not reported yet: the bot role has not started' })
})

test('a good report grows stale', async (t) => {
  await using depot = await openDepot()
  await depot.health.report('bot_api', { ok: true, detail: 'logged in' })
  const age = async (ms: number) => {
    await depot.database.query('UPDATE health SET checked_at = $1', Date.now() - ms)
    // A reader that has seen no report before.
    return (await new Health(depot.database, healthParts).read()).bot_api
  }
  t.deepEqual(await age(40_000), { ok: true, detail: 'logged in' })
  t.deepEqual(await age(60_000), { ok: false, detail: 'no report for 60 s' })
})

test.serial(
  'a role that goes on reporting is alive, and one that does not is silent, wherever the clock is set',
  async (t) => {
    await using depot = await openDepot()
    const { database, health: reader } = depot
    const writer = new Health(database, healthParts)
    const clocks = { performance: performance.now, date: Date.now }
    t.teardown(() => {
      performance.now = clocks.performance
      Date.now = clocks.date
    })
    let [steady, wall] = [1000, 1_000_000_000]
    performance.now = () => steady
    Date.now = () => wall
    const state = async () => (await reader.read()).disk?.ok
    for (const jump of [0, 86_400_000, 40 * 86_400_000, -86_400_000]) {
      await writer.report('disk', { ok: true, detail: 'room' })
      t.true(await state())
      wall += jump
      t.true(await state(), `after a jump of ${jump} ms`)
      steady += 40_000
      t.true(await state())
      steady += 10_000
      t.false(await state(), 'it has been silent for 50 s')
      t.like(await reader.read(), { disk: { detail: 'no report for 50 s' } })
      steady += 1000
      wall += 1000
    }
  },
)

test('a part that nobody declared cannot be reported', async (t) => {
  await using depot = await openDepot()
  const report = depot.health.report('moon', { ok: true, detail: 'full' })
  await t.throwsAsync(report, { instanceOf: TypeError, message: /no part moon/ })
  t.false('moon' in (await depot.health.read()))
})
