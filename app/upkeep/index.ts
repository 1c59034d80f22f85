import { z } from 'zod'
import type { PartHealth } from '../core/health.ts'
import type { BotHouse, Feature } from '../house.ts'

/** Links that one run may remove, so that it ends; what is left waits for the next minute. */
const maxExpired = 10_000

/** Links between two looks at what else there is to do. */
const batch = 200

/** Below this the disk is reported as full: the database itself needs room to go on. */
const minFree = 256 * 1024 * 1024

/** Keeps the disk in order and tells /health about it. */
export const upkeep: Feature = {
  name: 'upkeep',
  settings: z.object({}),
  bot: async (house) => ({
    cron: [
      { name: 'expired links', schedule: '* * * * *', run: () => removeExpired(house) },
      { name: 'handled updates', schedule: '17 * * * *', run: () => house.telegram.forgetHandled() },
      { name: 'health', schedule: '*/10 * * * * *', atStart: true, run: () => reportHealth(house) },
    ],
  }),
}

/** The bytes go first: a crash in between leaves a link that is expired anyway, and is met again. */
export async function removeExpired({ links, store, log }: BotHouse): Promise<void> {
  let removed = 0
  let bytes = 0
  while (removed < maxExpired) {
    const expired = await links.expired(batch)
    for (const { uuid, size } of expired) {
      await store.remove(uuid)
      await links.removed(uuid)
      bytes += size
    }
    removed += expired.length
    if (expired.length < batch) break
  }
  if (removed > 0) log.info({ links: removed, bytes }, 'expired links removed')
}

/** Reports the parts that only the bot role can see. */
export async function reportHealth({ telegram, health, store }: BotHouse): Promise<void> {
  await telegram.reportHealth()
  const [writable, disk] = await Promise.all([probe(store), room(store)])
  await health.report('store', writable)
  await health.report('disk', disk)
}

async function probe(store: BotHouse['store']): Promise<PartHealth> {
  return await store.probe().then(
    () => ({ ok: true, detail: 'writable' }),
    () => ({ ok: false, detail: 'not writable' }),
  )
}

async function room(store: BotHouse['store']): Promise<PartHealth> {
  const { free, total } = await store.room()
  const percent = Math.round((free / total) * 100)
  return { ok: free >= minFree, detail: `${(free / 2 ** 30).toFixed(1)} GiB free (${percent} %)` }
}
