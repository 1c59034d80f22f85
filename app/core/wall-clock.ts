import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type ClockRow, clockTable } from './clock.model.ts'
import type { Database } from './database/database.ts'
import type { Migration } from './database/migrations.ts'
import type { Log } from './log.ts'
import { monotonicNow } from './monotonic-time.ts'

export const clockMigrations: Migration[] = [
  {
    name: 'clock-1',
    statements: [
      `CREATE TABLE clock (
        id INTEGER PRIMARY KEY,
        trusted_at BIGINT NOT NULL,
        steady_at BIGINT NOT NULL,
        doubted_at BIGINT
      )`,
    ],
  },
  {
    name: 'clock-2',
    // The release before recorded no time but that of its last report on its health.
    statements: [
      `INSERT INTO clock (id, trusted_at, steady_at) SELECT 1, MAX(checked_at), MAX(checked_at) FROM health
         WHERE NOT EXISTS (SELECT 1 FROM clock) HAVING MAX(checked_at) IS NOT NULL`,
    ],
  },
  {
    name: 'clock-3',
    statements: ['ALTER TABLE clock ADD COLUMN leapt_at BIGINT'],
  },
]

/** Milliseconds that the wall clock may be away from where it should be. */
const tolerance = 3_600_000

/** Milliseconds of a difference that no wait is worth moving for. */
const negligible = 1000

/**
 * Whether the wall clock may decide what is removed. It is compared with the last time recorded and, while the process
 * runs, with steady time. One that jumped is doubted, over restarts too, until the kernel says that it follows NTP, it
 * comes back, or the owner confirms it.
 */
export class WallClock implements AsyncDisposable {
  readonly #database: Database
  readonly #log: Log
  /** A wall time that was right, and the steady time of that moment. */
  #trusted = { wall: 0, steady: 0 }
  #doubted = false
  #leaptAt = 0

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  /**
   * Takes up what the last run recorded; in the transaction in which the caller moves what waits. Returns by how many
   * milliseconds: this run counts from where the clock stands now, and the last one counted from elsewhere.
   */
  async open(): Promise<number> {
    const now = Date.now()
    const row = await this.#read()
    this.#trusted = { wall: row?.trusted_at ?? now, steady: monotonicNow() }
    this.#doubted = row !== undefined && row.doubted_at !== null
    this.#leaptAt = row?.leapt_at ?? 0
    if (row === undefined) {
      const sql = 'INSERT INTO clock (id, trusted_at, steady_at) VALUES (1, $1, $1)'
      await this.#database.query(sql, now)
    }
    await this.#settle(now, false)
    return row === undefined ? 0 : movedBetween(row, now)
  }

  /** Takes up what is recorded in a process that only asks: that time went by since then is no jump. */
  async consult(): Promise<void> {
    const row = await this.#read()
    if (row === undefined) return
    this.#trusted = { wall: Math.max(Date.now(), row.trusted_at), steady: monotonicNow() }
    this.#doubted = row.doubted_at !== null
  }

  /** Whether what is to be removed for its time may be removed. */
  get isTrusted(): boolean {
    return !this.#doubted && Math.abs(this.#ahead()) <= tolerance
  }

  /** The best guess at the present time, in milliseconds since 1970: a clock that lags is not believed. */
  now(): number {
    return Math.max(Date.now(), this.isTrusted ? 0 : this.#expected())
  }

  /**
   * The moment before which a date that was given says nothing of an age: the clock leapt forward then, and may have
   * lagged until it did. 0 when there is none.
   */
  get leaptAt(): number {
    // One that leapt into the future and came back was right before.
    return this.#leaptAt <= Date.now() ? this.#leaptAt : 0
  }

  /** How the clock stands, for the owner. */
  describe(): string {
    if (this.isTrusted) return 'as it should be'
    const ahead = this.#ahead()
    const hours = Math.abs(ahead) / 3_600_000
    const span = hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`
    return `${span} ${ahead > 0 ? 'ahead' : 'behind'}: nothing is removed for its age until it is confirmed`
  }

  /** Looks at it, and records the time; called at intervals, and at the end. */
  async look(): Promise<void> {
    // Asked outside the transaction: it takes its time.
    const followsNtp = this.isTrusted ? false : await isSynchronised()
    await this.#database.transaction(async () => {
      const row = await this.#read()
      if (followsNtp || (this.#doubted && isConfirmed(row))) {
        this.#log.info({ by: followsNtp ? 'NTP' : 'the owner' }, 'the clock is confirmed')
        this.#trust()
      }
      await this.#settle(Date.now())
    })
  }

  /** The owner's word that the clock is right, to whichever process runs with this database. */
  async confirm(): Promise<void> {
    // Waits go on being counted from where they were: the next start moves them.
    await this.#database.query(
      `UPDATE clock SET trusted_at = $1, doubted_at = NULL, steady_at = steady_at +
         CASE WHEN $1 > COALESCE(doubted_at, trusted_at) THEN $1 - COALESCE(doubted_at, trusted_at) ELSE 0 END
       WHERE id = 1`,
      Date.now(),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database
      .transaction(() => this.#settle(Date.now()))
      .catch((error) => this.#log.warn({ error }, 'the last time is not recorded'))
  }

  /**
   * Judges the clock by where it should be, and records that.
   * @param isWatched whether the process has run since the last time recorded
   */
  async #settle(now: number, isWatched = true): Promise<void> {
    const isNear = Math.abs(this.#ahead()) <= tolerance
    if (isNear && this.#doubted) this.#log.info('the clock is trusted again')
    if (isNear) this.#trust()
    else if (!this.#doubted) {
      this.#doubted = true
      if (isWatched && this.#ahead() > 0) this.#leaptAt = now
      this.#log.error({ clock: this.describe() }, 'the clock jumped')
    }
    await this.#database.query(
      `UPDATE clock SET steady_at = $1, trusted_at = CASE WHEN $2 = 1 THEN $3 ELSE trusted_at END,
         doubted_at = CASE WHEN $2 = 1 THEN NULL ELSE $3 END, leapt_at = $4 WHERE id = 1`,
      monotonicNow(),
      Number(isNear),
      now,
      this.#leaptAt,
    )
  }

  #trust(): void {
    this.#trusted = { wall: Date.now(), steady: monotonicNow() }
    this.#doubted = false
  }

  /** Where the wall clock should be. */
  #expected(): number {
    return this.#trusted.wall + monotonicNow() - this.#trusted.steady
  }

  #ahead(): number {
    return Date.now() - this.#expected()
  }

  async #read(): Promise<ClockRow | undefined> {
    const [row] = await this.#database.rows(clockTable, { id: 1 })
    return row
  }
}

/**
 * How far the clock was set between the last run's count of its waits and this one's. That the process was away for a
 * while is no such thing; of a longer time nobody knows whether it was one, so it counts as none.
 */
function movedBetween({ trusted_at, steady_at, doubted_at }: ClockRow, now: number): number {
  const looked = doubted_at ?? trusted_at
  const away = now - looked
  const moved = looked - steady_at + (away >= 0 && away <= tolerance ? 0 : away)
  return Math.abs(moved) < negligible ? 0 : moved
}

/** Whether the owner's word stands in the row; a doubt that could not be written leaves another time there. */
function isConfirmed(row: ClockRow | undefined): boolean {
  return row?.doubted_at === null && Math.abs(row.trusted_at - Date.now()) <= tolerance
}

const run = promisify(execFile)

/** Whether the kernel's clock follows a time server; false when nobody can say. Setting the clock by hand ends it. */
async function isSynchronised(): Promise<boolean> {
  const question = ['show', '--property=NTPSynchronized', '--value']
  const options = { timeout: 5000, killSignal: 'SIGKILL' } as const
  return await run('timedatectl', question, options).then(
    ({ stdout }) => stdout.trim() === 'yes',
    () => false,
  )
}
