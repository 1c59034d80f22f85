import test from 'ava'
import { openDepot } from '../helpers/depot.ts'

test('a part says what was last reported', async (t) => {
  await using depot = await openDepot()
  const { health } = depot
  await health.report('disk', { ok: true, detail: 'room' })
  await health.report('disk', { ok: false, detail: 'full' })
  t.deepEqual(await health.read(['disk']), { disk: { ok: false, detail: 'full' } })
})

test('a part that was never reported is not ok', async (t) => {
  await using depot = await openDepot()
  const { bot_api } = await depot.health.read(['bot_api'])
  t.like(bot_api, { ok: false })
})

test('a good report grows stale', async (t) => {
  await using depot = await openDepot()
  await depot.health.report('bot_api', { ok: true, detail: 'logged in' })
  const age = async (ms: number) => {
    await depot.database.query('UPDATE health SET checked_at = $1', Date.now() - ms)
    return (await depot.health.read(['bot_api'])).bot_api
  }
  t.deepEqual(await age(40_000), { ok: true, detail: 'logged in' })
  t.deepEqual(await age(60_000), { ok: false, detail: 'no report for 60 s' })
})
