import type { Database } from '../core/database/database.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import { places } from './places.ts'

/** Milliseconds of the longest span of a limit. */
export const longestSpan = 3_600_000

/** So many jobs of a user, or of a chat, may begin within any `span` milliseconds. */
export interface RateLimit {
  of: { userId: number } | { chatId: number }
  span: number
  most: number
}

/** The moments at which it is the turn of jobs under the rate limits: also of those that are still to come. */
export class RateSlots {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * The first moment from now on (`monotonicNow`) at which one more job may begin without breaking any of the limits,
   * which count jobs of these kinds. Of 50 that are asked for at once under a limit of 10 a minute, 10 may begin now,
   * 10 in a minute, and so on.
   */
  async next(kinds: string[], limits: RateLimit[]): Promise<number> {
    let slot = monotonicNow()
    const byOwner = Map.groupBy(limits, ({ of }) => owner(of).join(' '))
    const taken = new Map<RateLimit, number[]>()
    // One look for the longest span of each: what is older than a shorter one needs is behind its limit anyway.
    for (const same of byOwner.values()) {
      const slots = await this.#slots(kinds, same, slot)
      for (const limit of same) taken.set(limit, slots)
    }
    // A later moment for one limit may be full for another.
    for (let before = -1; before < slot; ) {
      before = slot
      for (const limit of limits) slot = firstFree(taken.get(limit) ?? [], limit, slot)
    }
    return slot
  }

  /** Whether a job that has its turn at a moment had to wait until then for this limit: a span after another job's. */
  async heldBack(kinds: string[], { of, span }: RateLimit, at: number): Promise<boolean> {
    const [column, id] = owner(of)
    const sql = `SELECT 1 FROM jobs WHERE ${column} = $1 AND slot_at = $2 AND kind IN (${places(kinds, 3)}) LIMIT 1`
    return (await this.#database.query(sql, id, at - span, ...kinds)).length > 0
  }

  async #slots(kinds: string[], limits: RateLimit[], now: number): Promise<number[]> {
    const [column, id] = owner((limits[0] as RateLimit).of)
    const rows = await this.#database.query<{ slot_at: number }>(
      `SELECT slot_at FROM jobs WHERE ${column} = $1 AND slot_at > $2 AND kind IN (${places(kinds, 3)})
       ORDER BY slot_at`,
      id,
      now - Math.max(...limits.map(({ span }) => span)),
      ...kinds,
    )
    return rows.map(({ slot_at }) => Number(slot_at))
  }
}

function owner(of: RateLimit['of']): [column: string, id: number] {
  return 'userId' in of ? ['user_id', of.userId] : ['chat_id', of.chatId]
}

/** The first moment from `from` on at which no span of a limit would hold too many; `slots` are in their order. */
function firstFree(slots: number[], { span, most }: RateLimit, from: number): number {
  let free = from
  for (let first = 0; first + most <= slots.length; first++) {
    // These `most` fill every span that holds all of them.
    const [begin, end] = [Number(slots[first]), Number(slots[first + most - 1])]
    if (free > end - span && free < begin + span) free = begin + span
  }
  return free
}
