import type { Migration } from './database/migrations.ts'
import type { Queries } from './database/reader.ts'
import type { HealthRow } from './health.model.ts'

export const healthMigrations: Migration[] = [
  {
    name: 'health-1',
    statements: [
      `CREATE TABLE health (
        part TEXT PRIMARY KEY, ok INTEGER NOT NULL, detail TEXT NOT NULL, checked_at BIGINT NOT NULL
      )`,
    ],
  },
]

export interface PartHealth {
  ok: boolean
  /** What to tell the owner; without paths and names. */
  detail: string
}

/** A part that somebody reports. */
export interface HealthPart {
  name: string
  /** The role that reports it. */
  of: string
}

/** Milliseconds after which a report says only that its role is silent. */
const staleAfter = 45_000

/**
 * What each role last said about the parts that only it can see. It lies in the database because the web role has
 * neither the token nor the Bot API's folder, and roles do not talk to each other.
 *
 * Whoever reads measures by its own steady time how long a report has been the same: between two roles the wall clock
 * may be set, which neither makes a living role silent nor a dead one alive.
 */
export class Health {
  readonly #database: Queries
  /** The newest report of each part that this reader has seen, and since when. */
  readonly #seen = new Map<string, { checkedAt: number; since: number }>()

  readonly #parts: HealthPart[]

  /** @param parts all that are declared */
  constructor(database: Queries, parts: HealthPart[]) {
    this.#database = database
    this.#parts = parts
  }

  /** @throws TypeError for a part that nobody declared: no one would ever see it */
  async report(part: string, { ok, detail }: PartHealth): Promise<void> {
    if (!this.#parts.some(({ name }) => name === part))
      throw new TypeError(`no part ${part} of /health is declared`)
    await this.#database.query(
      `INSERT INTO health (part, ok, detail, checked_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (part) DO UPDATE SET ok = $2, detail = $3, checked_at = $4`,
      part,
      Number(ok),
      detail,
      Date.now(),
    )
  }

  /** The state of all parts; one that nobody reported of late is not ok. */
  async read(): Promise<Record<string, PartHealth>> {
    const rows = await this.#database.query<HealthRow>('SELECT part, ok, detail, checked_at FROM health')
    const known = new Map(rows.map((row) => [row.part, row]))
    return Object.fromEntries(this.#parts.map(({ name, of }) => [name, this.#stateOf(known.get(name), of)]))
  }

  #stateOf(row: HealthRow | undefined, role: string): PartHealth {
    if (!row) return { ok: false, detail: `not reported yet: the ${role} role has not started` }
    const age = this.#ageOf(row)
    if (age > staleAfter) return { ok: false, detail: `no report for ${Math.round(age / 1000)} s` }
    return { ok: row.ok === 1, detail: row.detail }
  }

  #ageOf({ part, checked_at: checkedAt }: HealthRow): number {
    const now = performance.now()
    const seen = this.#seen.get(part)
    if (seen?.checkedAt === checkedAt) return now - seen.since
    // Of the first one, only the wall clock tells the age; one from the future is as doubtful as an old one.
    const age = seen === undefined ? Math.abs(Date.now() - checkedAt) : 0
    this.#seen.set(part, { checkedAt, since: now - age })
    return age
  }
}
