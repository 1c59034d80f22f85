import { monotonicNow } from '../../core/monotonic-time.ts'

/** Milliseconds between two looks at those ahead, while nothing of theirs ends. */
const look = 100

/** For how many times its patience one that keeps coming may hold up the next one. */
const longestHold = 2

interface Entry {
  content: string
  /** When a byte last came, or it was begun; endless until then. */
  movedAt: number
  /** Endless until then as well. */
  beganAt: number
  isFetched: boolean
}

/** A turn, which lasts until the link is recorded. */
export interface Turn extends Disposable {
  /** Something of it has come. */
  moved(): void
  /** The server has it whole: the next one may begin. */
  fetched(): void
}

/**
 * Lets transfers begin one after the other, in their order: the server serves the newest call first, so of several at a
 * time the first one would end last, or never while new ones come. One of which nothing comes is passed by, and so is one
 * that comes slowly, once it has held up the next for long. Of the same content the next one waits until the one before
 * has its link, and shares it.
 */
export class FetchTurns {
  readonly #line: Entry[] = []
  /** The next look of all that wait. */
  #next: { look: Promise<void>; now: () => void } | undefined
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
   * Waits for a turn.
   * @param isDoubtful whether nothing came last time: then, the next one waits only once something comes
   * @throws AbortError
   */
  async take(content: string, signal: AbortSignal, isDoubtful = false): Promise<Turn> {
    const never = Number.POSITIVE_INFINITY
    const mine: Entry = { content, movedAt: never, beganAt: never, isFetched: false }
    this.#line.push(mine)
    const wake = () => this.#next?.now()
    const leave = () => {
      const at = this.#line.indexOf(mine)
      if (at >= 0) this.#line.splice(at, 1)
      wake()
    }
    signal.addEventListener('abort', wake)
    try {
      while (!this.#mayBegin() || this.#isHeldUp(mine)) {
        await this.#look()
        signal.throwIfAborted()
      }
    } catch (error) {
      leave()
      throw error
    } finally {
      signal.removeEventListener('abort', wake)
    }
    mine.beganAt = monotonicNow()
    const moved = () => {
      mine.movedAt = monotonicNow()
    }
    const fetched = () => {
      mine.isFetched = true
      wake()
    }
    if (isDoubtful) mine.movedAt = Number.NEGATIVE_INFINITY
    else moved()
    return { moved, fetched, [Symbol.dispose]: leave }
  }

  #isHeldUp(mine: Entry): boolean {
    const ahead = this.#line.slice(0, this.#line.indexOf(mine))
    const now = monotonicNow()
    return ahead.some(({ content, movedAt, beganAt, isFetched }) => {
      const isOther = content !== mine.content
      if (isOther && (isFetched || now - beganAt >= longestHold * this.#patience)) return false
      return now - movedAt < this.#patience
    })
  }

  #look(): Promise<void> {
    if (this.#next === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const now = () => {
        clearTimeout(timer)
        this.#next = undefined
        resolve()
      }
      const timer = setTimeout(now, look)
      this.#next = { look: promise, now }
    }
    return this.#next.look
  }
}
