import test from 'ava'
import { Links, linksSettings } from '../../app/links/index.ts'
import { onPostgres } from '../helpers/database-in.ts'
import { openDepot } from '../helpers/depot.ts'

const ofSqlite = onPostgres ? test.skip : test

const uuid = (n: number) => `a1b2c3d4-0000-4000-8000-${String(n).padStart(12, '0')}`

test('a link is what may be sent, until its time', async (t) => {
  await using depot = await openDepot()
  await depot.share({
    uuid: uuid(1),
    bytes: 'hello',
    name: 'Ж',
    mimeType: 'a/b',
    expiresAt: Date.now() + 60_000,
  })
  t.deepEqual(
    { ...(await depot.links.findDownloadable(uuid(1))) },
    { uuid: uuid(1), name: 'Ж', mime_type: 'a/b', size: 5 },
  )
  await depot.database.query('UPDATE links SET expires_at = $1', Date.now())
  t.is(await depot.links.findDownloadable(uuid(1)), undefined)
})

test('a link without an end stays', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'hello', expiresAt: null })
  t.is((await depot.links.findDownloadable(uuid(1)))?.size, 5)
  t.deepEqual(await depot.links.listExpired(10), [])
})

test('a removed link is not sent, not found by content, and not removed again', async (t) => {
  await using depot = await openDepot()
  const expiresAt = Date.now() - 1000
  await depot.share({ uuid: uuid(1), bytes: 'hello', fileUniqueId: 'f', expiresAt })
  await depot.links.markRemoved([uuid(1)])
  t.is(await depot.links.findDownloadable(uuid(1)), undefined)
  t.is(await depot.links.findByContent('f', 5), undefined)
  t.deepEqual(await depot.links.listExpired(10), [])
})

test('recording a link twice leaves the first', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'hello', name: 'first' })
  await depot.share({ uuid: uuid(1), bytes: 'hello', name: 'second' })
  t.is((await depot.links.findDownloadable(uuid(1)))?.name, 'first')
})

test('content is known by id and size together, while its link lives', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'hello', fileUniqueId: 'f', expiresAt: Date.now() + 60_000 })
  t.is(await depot.links.findByContent('f', 5), uuid(1))
  t.is(await depot.links.findByContent('f', 6), undefined)
  t.is(await depot.links.findByContent('g', 5), undefined)
  await depot.database.query('UPDATE links SET expires_at = $1', Date.now() - 1)
  t.is(await depot.links.findByContent('f', 5), undefined)
})

ofSqlite('the decision is one search of an index', async (t) => {
  await using depot = await openDepot()
  const plan = await depot.database.query<{ detail: string }>(
    `EXPLAIN QUERY PLAN SELECT uuid, name, mime_type, size FROM links
     WHERE uuid = 'x' AND removed_at IS NULL AND (expires_at IS NULL OR expires_at > 1)`,
  )
  t.is(plan.length, 1)
  t.regex(plan[0]?.detail ?? '', /^SEARCH links USING INDEX/)
})

test('a sample has links in force alone, and is read past the removed ones', async (t) => {
  await using depot = await openDepot()
  await depot.share({ uuid: uuid(1), bytes: 'x', expiresAt: 1 })
  await depot.share({ uuid: uuid(2), bytes: 'x' })
  await depot.share({ uuid: uuid(3), bytes: 'x', expiresAt: 1 })
  await depot.links.markRemoved([uuid(3)])
  await depot.share({ uuid: uuid(4), bytes: 'x' })
  await depot.links.setMissing([uuid(4)], true)
  t.deepEqual(await depot.links.sample(10), [uuid(2)])
  if (onPostgres) return
  const plan = await depot.database.query<{ detail: string }>(
    `EXPLAIN QUERY PLAN SELECT uuid FROM links WHERE removed_at IS NULL AND missing_at IS NULL
       AND (expires_at IS NULL OR expires_at > 1) ORDER BY file_unique_id, size, created_at LIMIT 10`,
  )
  t.regex(plan.map(({ detail }) => detail).join(), /USING INDEX links_content$/)
})

test('thousands of links are marked as missing, and as found, in one transaction', async (t) => {
  await using depot = await openDepot()
  const uuids = Array.from({ length: 1200 }, (_, i) => uuid(i))
  await depot.database.transaction(async () => {
    for (const id of uuids) {
      await depot.database.query(
        `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id, message_id,
           created_at) VALUES ($1, 1, 'x', 'a/b', 1, 'f', 1, 'id', 1, 1, 1)`,
        id,
      )
    }
  })
  let transactions = 0
  const transaction = <T>(work: () => Promise<T>) => {
    transactions++
    return depot.database.transaction(work)
  }
  const links = new Links(linksSettings.parse({}), { ...depot.database, transaction })
  const missing = async () =>
    (await depot.database.query('SELECT 1 FROM links WHERE missing_at IS NOT NULL')).length
  await links.setMissing(uuids, true)
  t.is(await missing(), 1200)
  await links.setMissing(uuids.slice(1), false)
  t.is(await missing(), 1)
  t.is(transactions, 2)
  await links.setMissing([], true)
  t.is(transactions, 2)
})
