import { setImmediate as breathe } from 'node:timers/promises'
import type { BotContext } from '../../context.ts'
import { codeOf } from '../../core/errors.ts'
import type { Place } from '../../store/index.ts'
import type { StuckFiles } from './stuck-files.ts'
import { unknownOf } from './unknown.ts'

/** Milliseconds that one run may take; the next one goes on where it stopped. */
const budget = 2000

/** Milliseconds for a whole round of the store. */
const wholeStore = 10 * 60_000

/** Of more unknown files than this, and than this share of the links in force, nobody can be sure. */
const surelyUnknown = { files: 20, share: 0.01 }

/** Unknown files remembered in a round of its own accord, and moved between two looks at the store. */
const [maxUnknown, chunk] = [100_000, 200]

/** Lines of the log about single files in one run. */
const maxLines = 50

export interface Findings {
  /** Files that nobody knows, set aside. */
  orphans: number
  missing: number
  found: number
  /** Files that nobody knows and that stay where they are, since they are too many; when a round ended. */
  tooMany?: number
}

export type ReconcilingContext = Pick<BotContext, 'store' | 'links' | 'jobs' | 'clock' | 'log'>

interface Round {
  inForce: number
  count: number
  unknown: Place[]
}

const newRound = (): Round => ({ inForce: 0, count: 0, unknown: [] })

/**
 * Compares the names in the store with the links, shard after shard. What nobody knows is set aside at the end of a
 * round, when it is known how much that is: a wrong database knows nothing.
 */
export class Reconciliation {
  readonly #context: ReconcilingContext
  readonly #stuck: Pick<StuckFiles, 'holds' | 'attempt'>
  #next = 0
  #round = newRound()

  constructor(context: ReconcilingContext, stuck: Pick<StuckFiles, 'holds' | 'attempt'>) {
    this.#context = context
    this.#stuck = stuck
  }

  /** Looks at as many shards as the budget allows, at least at one. */
  async run(signal: AbortSignal): Promise<Findings> {
    return await this.#look(signal, budget, false)
  }

  /** Looks at the whole store. */
  async runWhole(signal: AbortSignal): Promise<Findings> {
    this.#next = 0
    this.#round = newRound()
    return await this.#look(signal, wholeStore, false)
  }

  /** Sets every unknown file aside, however many they are and however long it takes: the owner wants it. */
  async setAllAside(signal: AbortSignal): Promise<Findings> {
    return await this.#look(signal, Number.POSITIVE_INFINITY, true)
  }

  async #look(signal: AbortSignal, milliseconds: number, agreed: boolean): Promise<Findings> {
    const { store, log } = this.#context
    const end = performance.now() + milliseconds
    const findings: Findings = { orphans: 0, missing: 0, found: 0 }
    const { shards } = store
    const most = agreed ? Number.POSITIVE_INFINITY : maxUnknown
    do {
      if (!(await this.#lookAt(shards[this.#next] as string, findings, most))) {
        // Half a round says nothing of a store that went away.
        this.#next = 0
        this.#round = newRound()
        break
      }
      this.#next++
      // How many there are decides nothing then: those of one shard move before those of the next are looked for.
      if (agreed || this.#next === shards.length) await this.#endRound(findings, agreed, signal)
      await breathe()
    } while (this.#next < shards.length && performance.now() < end && !signal.aborted)
    if (this.#next === shards.length) this.#next = 0
    if (findings.orphans + findings.missing + findings.found > 0)
      log.warn(findings, 'store and links reconciled')
    return findings
  }

  /** Returns false when the store is not there. */
  async #lookAt(shard: string, findings: Findings, most: number): Promise<boolean> {
    const { store, links } = this.#context
    // Names before links: a file that comes in meanwhile has its link, or its job, when these are looked at.
    const listed = await store.names(shard).catch((error) => {
      if (codeOf(error) === undefined) throw error
      return codeOf(error) === 'ENOENT' ? [] : undefined
    })
    const aside = await store.quarantine.namesOf(shard).catch(() => new Set<string>())
    if (!(await store.look())) return false
    // A folder that cannot be read is no proof of anything.
    if (listed === undefined) return true
    const names = new Set(listed)
    const known = await links.listShard(shard)
    const [missing, found]: [string[], string[]] = [[], []]
    for (const { uuid, missing: wasMissing } of known) {
      if (names.delete(uuid)) {
        if (wasMissing) found.push(uuid)
      } else if (aside.has(uuid) && (await this.#takeBack(uuid))) {
        if (wasMissing) found.push(uuid)
        else findings.found++
      } else if (!wasMissing && (await this.#isGone(uuid))) missing.push(uuid)
    }
    if (missing.length > 0 && !(await store.look())) return false
    await links.setMissing(found, false)
    await links.setMissing(missing, true)
    this.#tell(missing, 'the file of a link is missing', 'error', findings.missing)
    findings.found += found.length
    findings.missing += missing.length
    this.#round.inForce += known.length
    const unknown = await unknownOf(this.#context, [...names])
    this.#round.count += unknown.length
    const places = unknown.map((name) => ({ shard, name }))
    this.#round.unknown.push(...places.slice(0, most - this.#round.unknown.length))
    return true
  }

  async #endRound(findings: Findings, agreed: boolean, signal: AbortSignal): Promise<void> {
    const { inForce, count, unknown } = this.#round
    this.#round = newRound()
    const most = Math.max(surelyUnknown.files, inForce * surelyUnknown.share)
    findings.tooMany = count > most && !agreed ? count : 0
    if (findings.tooMany > 0) return
    for (let at = 0; at < unknown.length && !signal.aborted; at += chunk) {
      const some = unknown.slice(at, at + chunk)
      // The round took its time: a link or a job may have come since, as by a press of Retry.
      const names = new Set(
        await unknownOf(
          this.#context,
          some.map(({ name }) => name),
        ),
      )
      // Their days in the quarantine are counted from the date of entry: a clock in doubt gives none.
      if (!this.#context.clock.isTrusted || !(await this.#context.store.look())) return
      findings.orphans += await this.#setAside(some.filter(({ name }) => names.has(name)))
    }
  }

  async #setAside(places: Place[]): Promise<number> {
    const { store, clock } = this.#context
    const moved: Place[] = []
    for (const place of places) {
      const { name } = place
      if (this.#stuck.holds(name)) continue
      if (await this.#stuck.attempt(name, () => store.quarantine.put(place, clock.now()))) moved.push(place)
    }
    const names = moved.map(({ name }) => name)
    this.#tell(names, 'a file that nobody knows is set aside', 'warn')
    // Someone may have come to know it at this very moment.
    const still = new Set(await unknownOf(this.#context, names))
    for (const { name } of moved) if (!still.has(name)) await this.#takeBack(name)
    return moved.length
  }

  async #takeBack(uuid: string): Promise<boolean> {
    const { store } = this.#context
    const place = { shard: uuid.slice(0, 2), name: uuid }
    return (await this.#stuck.attempt(uuid, () => store.quarantine.takeBack(place))) ?? false
  }

  /** Looked at by itself: its link may have come after the names were listed. */
  async #isGone(uuid: string): Promise<boolean> {
    return await this.#context.store.stat(uuid).then(
      (stats) => stats === undefined,
      () => false,
    )
  }

  #tell(uuids: string[], message: string, level: 'warn' | 'error', before = 0): void {
    const lines = uuids.slice(0, Math.max(0, maxLines - before))
    for (const uuid of lines) this.#context.log[level]({ uuid }, message)
  }
}
