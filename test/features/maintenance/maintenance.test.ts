import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { BotContext } from '../../../app/context.ts'
import { Notices } from '../../../app/features/maintenance/notices.ts'
import { removeExpired } from '../../../app/features/maintenance/retention.ts'
import { StuckFiles } from '../../../app/features/maintenance/stuck-files.ts'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { startApp } from '../../helpers/start-app.ts'

const uuid = (n: number) => `a1b2c3d4-0000-4000-8000-${String(n).padStart(12, '0')}`

const hour = 3_600_000

/** A link without bytes that ended long ago; of several, the one with the lower number first. */
async function putLink({ links }: Depot, at: number): Promise<void> {
  await links.create({
    uuid: uuid(at),
    userId: 1,
    name: 'x',
    mimeType: 'a/b',
    size: 1,
    fileUniqueId: 'f',
    source: { botId: 1, fileId: 'id', chatId: 1, messageId: 1 },
    expiresAt: 1 + at,
  })
}

/** Removes what is expired, as far as that uses a context. */
async function sweep(depot: Depot, { grace = hour, clock = { isTrusted: true } } = {}) {
  const { links, jobs, store, log, database } = depot
  const users = { administrators: async () => [] }
  const context = { links, jobs, store, log, clock, database, users } as unknown as BotContext
  const stuck = new StuckFiles(log, new Notices(context))
  return await removeExpired(context, { stuck, grace }, new AbortController().signal)
}

test('an expired link is 404 at once; the clean-up then removes its bytes and keeps its row', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'old', expiresAt: Date.now() + 3_600_000 })
  await depot.share({ uuid: uuid(2), bytes: 'young', expiresAt: Date.now() + 3_600_000 })
  await depot.share({ uuid: uuid(3), bytes: 'endless', expiresAt: null })
  await using app = await startApp({ roles: ['web'], dir: depot.dir })
  t.is((await app.get(`/download/${uuid(1)}`)).status, 200)
  await depot.database.query('UPDATE links SET expires_at = $1 WHERE uuid = $2', Date.now() - 1, uuid(1))
  t.is((await app.get(`/download/${uuid(1)}`)).status, 404)

  await sweep(depot)
  t.is((await app.stored()).length, 3, 'the bytes can be had back for an hour')
  await depot.database.query(
    'UPDATE links SET expires_at = $1 WHERE uuid = $2',
    Date.now() - hour - 1,
    uuid(1),
  )
  await sweep(depot)
  t.deepEqual((await app.stored()).sort(), [uuid(2), uuid(3)])
  t.is((await app.get(`/download/${uuid(2)}`)).status, 200)
  const rows = await depot.database.query(
    'SELECT uuid, removed_at IS NOT NULL AS removed FROM links ORDER BY uuid',
  )
  t.deepEqual(rows, [
    { uuid: uuid(1), removed: 1 },
    { uuid: uuid(2), removed: 0 },
    { uuid: uuid(3), removed: 0 },
  ])
  t.like(depot.lines.at(-1), { links: 1, bytes: 3 })
})

test('a run is repeatable, says nothing when there is nothing, and gets over a missing file', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'x', expiresAt: 1 })
  await depot.store.remove(uuid(1))
  await sweep(depot)
  const said = depot.lines.length
  await sweep(depot)
  t.is(depot.lines.length, said)
  t.deepEqual(await depot.links.listExpired(10), [])
})

test('more links than one batch go in one run', async (t) => {
  await using depot = await openDepot()
  await depot.database.transaction(async () => {
    for (let i = 0; i < 450; i++) {
      await putLink(depot, i)
    }
  })
  await sweep(depot)
  t.deepEqual(await depot.links.listExpired(10), [])
})

test('what cannot be removed holds up neither the rest of its batch nor the next ones, and is logged once', async (t) => {
  await using depot = await openDepot()
  const { links, jobs, store, log, database } = depot
  for (let i = 0; i < 450; i++) {
    await putLink(depot, i)
    // More than a batch, all of them first in line: folders, which are not removed as files.
    if (i < 250) await mkdir(store.pathOf(uuid(i)))
  }
  const told: string[] = []
  const outbox = { post: async ({ text }: { text: string }) => void told.push(text) }
  const users = { administrators: async () => [1] }
  const context = { links, jobs, store, log, database, users, outbox, clock: { isTrusted: true } }
  const stuck = new StuckFiles(log, new Notices(context as unknown as BotContext))
  const sweepAll = async () => {
    const signal = new AbortController().signal
    const removed = await removeExpired(context as unknown as BotContext, { stuck, grace: 0 }, signal)
    await stuck.report()
    return removed.count
  }
  t.is(await sweepAll(), 200)
  t.is((await links.listExpired(1000)).length, 250)
  const lines = () => depot.lines.filter(({ msg }) => msg === 'a file cannot be removed').length
  t.is(lines(), 100)
  t.is(await sweepAll(), 0)
  t.is(lines(), 100, 'not again each minute')
  t.is(told.length, 1)
  t.regex(told[0] ?? '', /^250 files on the server cannot be removed/)
})

test('by a clock that is not trusted, and in a store that is not there, nothing expires', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'x', expiresAt: 1 })
  await sweep(depot, { clock: { isTrusted: false } })
  t.truthy(await depot.store.stat(uuid(1)))
  await rename(depot.store.root, join(depot.dir, 'away'))
  await sweep(depot)
  await rename(join(depot.dir, 'away'), depot.store.root)
  t.truthy(await depot.store.stat(uuid(1)))
  t.deepEqual(await depot.links.listExpired(10), [uuid(1)])
})

test('a low disk leaves no grace', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'x', expiresAt: Date.now() - 1000 })
  await sweep(depot)
  t.truthy(await depot.store.stat(uuid(1)))
  depot.store.isLow = async () => true
  await sweep(depot)
  t.is(await depot.store.stat(uuid(1)), undefined)
})
