import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Database } from './database.ts'
import type { LeaderRow } from './leader.model.ts'
import type { Migration } from './migrations.ts'

export const leadershipMigrations: Migration[] = [
  {
    name: 'leaders-1',
    // Which of several processes does what one alone may do; the beat counts on while it lives.
    statements: ['CREATE TABLE leaders (name TEXT PRIMARY KEY, holder TEXT NOT NULL, beat BIGINT NOT NULL)'],
  },
]

/** Milliseconds between two signs of life, and between two looks for them. */
const every = 2000

/** Milliseconds without having given one after which a leader does nothing any more until it has. */
const doubtAfter = 8000

/** Milliseconds without having seen one after which another process leads: later than the leader's own doubt. */
const silentAfter = 12_000

interface Parts {
  database: Database
  log: Log
  /** This process; no other one, of any machine, ever has the same name. */
  self: string
  /** Whether the process of this name has ended for certain; of another machine nobody knows. */
  hasEnded?(process: string): boolean
}

/**
 * Which of the bot processes on one database serves the updates and runs the schedule. Nobody's wall clock decides: each
 * counts by its own steady time, the leader since it last wrote its beat, the others since they last saw it change. With
 * SQLite there is one process (`Database.lock`), and it leads.
 */
export class Leadership implements AsyncDisposable {
  readonly #parts: Parts
  readonly #stop = new AbortController()
  #renewedAt = Number.NEGATIVE_INFINITY
  #renewing: Promise<void> | undefined
  #lost = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Calls `listener` when another process has taken over: then this one must not go on. */
  whenLost(listener: () => void): void {
    this.#lost = listener
  }

  /** Whether this process leads for certain: a process that stood still, or has no database, cannot know. */
  get isHeld(): boolean {
    return performance.now() - this.#renewedAt < doubtAfter
  }

  /** Leads from now on if nobody does. Returns whether it does. */
  async take(): Promise<boolean> {
    if (await this.#takeFree()) return true
    const holder = await this.#holder()
    return holder !== undefined && this.#hasEnded(holder.holder) && (await this.#takeFrom(holder.beat))
  }

  async #takeFree(): Promise<boolean> {
    if (this.#parts.database.dialect === 'sqlite') {
      this.#renewedAt = Number.POSITIVE_INFINITY
      return true
    }
    const begun = performance.now()
    const rows = await this.#parts.database.query(
      `INSERT INTO leaders (name, holder, beat) VALUES ('bot', $1, 1)
       ON CONFLICT (name) DO UPDATE SET holder = $1, beat = leaders.beat + 1 WHERE leaders.holder = '' RETURNING beat`,
      this.#parts.self,
    )
    return rows.length > 0 && this.#begin(begun)
  }

  /** Resolves when this process leads because the one before has stopped, or has been silent; false when aborted. */
  async gained(signal: AbortSignal): Promise<boolean> {
    let seen: { beat: number; since: number } | undefined
    while (!signal.aborted) {
      try {
        if (await this.take()) return true
        const row = await this.#holder()
        if (row && row.beat !== seen?.beat) seen = { beat: row.beat, since: performance.now() }
        if (seen && performance.now() - seen.since > silentAfter && (await this.#takeFrom(seen.beat)))
          return true
      } catch (error) {
        // While the database is away the leader cannot give a sign of life either.
        seen = undefined
        this.#parts.log.debug({ error }, 'the leader cannot be looked for')
      }
      await delay(every, undefined, { signal }).catch(() => {})
    }
    return false
  }

  /** Lets another process lead at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#renewing
    if (this.#parts.database.dialect === 'sqlite' || this.#renewing === undefined) return
    this.#renewedAt = Number.NEGATIVE_INFINITY
    await this.#parts.database
      .query("UPDATE leaders SET holder = '' WHERE name = 'bot' AND holder = $1", this.#parts.self)
      .catch((error) => this.#parts.log.debug({ error }, 'the end of the leader is not recorded'))
  }

  async #holder(): Promise<LeaderRow | undefined> {
    const sql = "SELECT * FROM leaders WHERE name = 'bot'"
    return (await this.#parts.database.query<LeaderRow>(sql))[0]
  }

  #hasEnded(process: string): boolean {
    return this.#parts.hasEnded?.(process) ?? false
  }

  async #takeFrom(beat: number): Promise<boolean> {
    const begun = performance.now()
    const sql =
      "UPDATE leaders SET holder = $1, beat = beat + 1 WHERE name = 'bot' AND beat = $2 RETURNING beat"
    if ((await this.#parts.database.query(sql, this.#parts.self, beat)).length === 0) return false
    this.#parts.log.warn('the process that served the updates has gone: this one does')
    return this.#begin(begun)
  }

  #begin(at: number): true {
    this.#renewedAt = at
    this.#renewing = this.#renew()
    return true
  }

  async #renew(): Promise<void> {
    const { signal } = this.#stop
    const sql = "UPDATE leaders SET beat = beat + 1 WHERE name = 'bot' AND holder = $1 RETURNING beat"
    for (;;) {
      await delay(every, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      // Before it is asked for: what was slow was no sign of life meanwhile.
      const begun = performance.now()
      try {
        if ((await this.#parts.database.query(sql, this.#parts.self)).length === 0) return this.#lost()
        this.#renewedAt = begun
      } catch (error) {
        this.#parts.log.debug({ error }, 'no sign of life of this process is recorded')
      }
    }
  }
}
