import { ApiError } from './api-error.ts'
import type { QueuedUpdate, UpdateQueue } from './update-queue.ts'

const MAX_TIMEOUT_S = 50
const MAX_ANSWER_BYTES = 4 << 20
/** A client that asks again and again without waiting, or fights another one, is slowed down to this. */
const PATIENCE_MS = 3000

type Waiting = { offset: number; limit: number; finish: (answer: object[] | ApiError) => void }

/** getUpdates of one bot: at most one call waits, a second one ends the first. */
export class LongPoll {
  readonly #botId: number
  readonly #queue: UpdateQueue
  #waiting: Waiting | undefined
  #lastOffset = 0
  #lastEmptyAt = 0
  #nextConflictAt = 0

  constructor(botId: number, queue: UpdateQueue) {
    this.#botId = botId
    this.#queue = queue
  }

  /** Confirms everything below `offset`, then waits up to `timeoutS` seconds for one update or more. */
  ask(offset: number, limit: number, timeoutS: number): Promise<object[]> {
    this.#conflict('terminated by other getUpdates request; make sure that only one bot instance is running')
    const first = offset < 0 ? this.#queue.offsetOfLast(this.#botId, -offset) : offset
    if (first > 0) this.#queue.confirm(this.#botId, first)
    const count = limit < 1 || limit > 100 ? 100 : limit
    const found = this.#pending(first, count)
    if (found.length > 0) return Promise.resolve(found)
    return this.#wait(first, count, this.#patience(first, timeoutS))
  }

  /** Something new is in the queue. */
  wake(): void {
    const waiting = this.#waiting
    if (!waiting) return
    const found = this.#pending(waiting.offset, waiting.limit)
    if (found.length > 0) waiting.finish(found)
  }

  /** Ends the waiting call, if there is one, with a 409. */
  conflict(reason: string): void {
    this.#conflict(reason)
  }

  #conflict(reason: string): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    const wait = Math.max(0, this.#nextConflictAt - Date.now())
    this.#nextConflictAt = Date.now() + wait + PATIENCE_MS
    setTimeout(() => waiting.finish(new ApiError(409, `Conflict: ${reason}`)), wait)
  }

  #patience(offset: number, timeoutS: number): number {
    const asked = Math.min(Math.max(timeoutS, 0), MAX_TIMEOUT_S) * 1000
    const isHasty = offset === this.#lastOffset && Date.now() - this.#lastEmptyAt < PATIENCE_MS
    return isHasty ? Math.max(asked, PATIENCE_MS) : asked
  }

  #wait(offset: number, limit: number, ms: number): Promise<object[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiting.finish([]), ms)
      const waiting: Waiting = {
        offset,
        limit,
        finish: (answer) => {
          clearTimeout(timer)
          if (this.#waiting === waiting) this.#waiting = undefined
          if (answer instanceof ApiError) return reject(answer)
          if (answer.length === 0) this.#lastEmptyAt = Date.now()
          this.#lastOffset = offset
          resolve(answer)
        },
      }
      this.#waiting = waiting
    })
  }

  #pending(offset: number, limit: number): object[] {
    let bytes = 0
    return this.#queue
      .pending(this.#botId, offset, limit)
      .filter((queued: QueuedUpdate, index) => {
        bytes += JSON.stringify(queued.update).length
        return index === 0 || bytes <= MAX_ANSWER_BYTES
      })
      .map((queued) => queued.update)
  }
}
