import { tooManyRequests } from './api-error.ts'

/** A time in which Telegram wants to hear nothing of one bot. */
export class FloodWait {
  #until = 0

  begin(seconds: number): void {
    this.#until = performance.now() + seconds * 1000
  }

  /** @throws ApiError 429 while it lasts */
  check(): void {
    const left = this.#until - performance.now()
    if (left > 0) throw tooManyRequests(Math.ceil(left / 1000))
  }
}
