import { setImmediate as breathe } from 'node:timers/promises'
import type { BotHouse } from '../house.ts'

/** Milliseconds that one run may take; the next one goes on where it stopped. */
const budget = 2000

/** Jobs whose files are not yet recorded; more than can be at work. */
const maxActive = 20_000

export interface Findings {
  orphans: number
  missing: number
  found: number
}

/** Compares the names in the store with the links, shard after shard. */
export class Reconciliation {
  readonly #house: BotHouse
  #next = 0

  constructor(house: BotHouse) {
    this.#house = house
  }

  /** Looks at as many shards as `milliseconds` allow, at least at one. */
  async run(signal: AbortSignal, milliseconds = budget): Promise<Findings> {
    const { store, log } = this.#house
    const end = performance.now() + milliseconds
    const findings: Findings = { orphans: 0, missing: 0, found: 0 }
    const { shards } = store
    for (let looked = 0; looked < shards.length; looked++) {
      const shard = shards[this.#next % shards.length] ?? '00'
      this.#next++
      await this.#look(shard, findings)
      await breathe()
      if (performance.now() > end || signal.aborted) break
    }
    if (findings.orphans + findings.missing + findings.found > 0)
      log.warn(findings, 'store and links reconciled')
    return findings
  }

  async #look(shard: string, findings: Findings): Promise<void> {
    const { store, links, log } = this.#house
    // Names before links: a file that comes in meanwhile has its link, or its job, when these are looked at.
    const names = new Set(await store.names(shard))
    const known = await links.keptUnder(shard)
    for (const { uuid, missing } of known) {
      const there = names.delete(uuid)
      if (there && missing) {
        await links.setMissing(uuid, false)
        findings.found++
      } else if (!there && !missing && (await store.stat(uuid)) === undefined) {
        await links.setMissing(uuid, true)
        log.error({ uuid }, 'the file of a link is missing')
        findings.missing++
      }
    }
    if (names.size > 0) findings.orphans += await this.#removeOrphans(names)
  }

  /** A name without a link is a job's that has not recorded it yet, an expired link's, or nobody's. */
  async #removeOrphans(names: Set<string>): Promise<number> {
    const { store, links, jobs, log } = this.#house
    // In this order: a known content that has gone makes the first kind into one of the others.
    for (const kind of ['ingest-known', 'ingest-small', 'ingest']) {
      for (const { payload } of await jobs.active(kind, maxActive)) {
        names.delete((payload as { uuid?: string }).uuid ?? '')
      }
    }
    let removed = 0
    for (const uuid of names) {
      if (await links.has(uuid)) continue
      await store.remove(uuid)
      log.warn({ uuid }, 'a file without a link removed')
      removed++
    }
    return removed
  }
}
