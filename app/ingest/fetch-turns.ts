import { setTimeout as delay } from 'node:timers/promises'
import { steadyNow } from '../core/steady.ts'

/** Milliseconds between two looks at those ahead. */
const look = 100

interface Place {
  /** When a byte last came, or it was begun; endless until then. */
  movedAt: number
}

/** One who has its turn. */
export interface Turn extends Disposable {
  moved(): void
}

/**
 * Lets transfers begin one after the other, in their order: the server serves the newest call first, so of several at a
 * time the first one would end last, or never while new ones come. Only one of which nothing comes is passed by.
 */
export class FetchTurns {
  readonly #places: Place[] = []
  readonly #patience: number
  readonly #mayBegin: () => boolean

  /**
   * @param patience milliseconds without a byte after which the next one begins
   * @param mayBegin false while nobody should: those who stood in line since before are to wait as well
   */
  constructor(patience: number, mayBegin: () => boolean) {
    this.#patience = patience
    this.#mayBegin = mayBegin
  }

  /**
   * @param isDoubtful whether nothing came last time: then, the next one waits only once something comes
   * @throws AbortError
   */
  async take(signal: AbortSignal, isDoubtful = false): Promise<Turn> {
    const mine: Place = { movedAt: Number.POSITIVE_INFINITY }
    this.#places.push(mine)
    const leave = () => void this.#places.splice(this.#places.indexOf(mine), 1)
    try {
      while (!this.#mayBegin() || this.#isHeldUp(mine)) await delay(look, undefined, { signal })
    } catch (error) {
      leave()
      throw error
    }
    const moved = () => {
      mine.movedAt = steadyNow()
    }
    if (isDoubtful) mine.movedAt = Number.NEGATIVE_INFINITY
    else moved()
    return { moved, [Symbol.dispose]: leave }
  }

  #isHeldUp(mine: Place): boolean {
    const ahead = this.#places.slice(0, this.#places.indexOf(mine))
    return ahead.some(({ movedAt }) => steadyNow() - movedAt < this.#patience)
  }
}
