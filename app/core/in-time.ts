/** What was asked has not answered in its time. */
export class NoAnswer extends Error {
  override name = 'NoAnswer'
  readonly code = 'ETIMEDOUT'
}

/** Milliseconds for an answer that has come while this process stood still, and was only not read yet. */
const grace = 100

/**
 * Asks something that may hang, as a network file system does whose server is gone. Node cannot take back a call to the
 * file system, and each that hangs keeps one of its few threads: so one call is out at a time, all who ask meanwhile
 * share its answer, and while it is late they hear so at once.
 */
export class InTime<T> {
  readonly #work: () => Promise<T>
  readonly #limit: number
  #answer: Promise<T> | undefined
  #isLate = false

  /** @param limit milliseconds */
  constructor(work: () => Promise<T>, limit: number) {
    this.#work = work
    this.#limit = limit
  }

  /** Whether a call is out for longer than its time. */
  get isLate(): boolean {
    return this.#isLate
  }

  /** @throws NoAnswer, and what the work throws */
  async ask(): Promise<T> {
    if (this.#isLate) throw new NoAnswer()
    this.#answer ??= this.#begin()
    return await this.#answer
  }

  async #begin(): Promise<T> {
    let timer: NodeJS.Timeout
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => {
        this.#isLate = true
        reject(new NoAnswer())
      }
      timer = setTimeout(() => {
        timer = setTimeout(giveUp, grace)
      }, this.#limit)
    })
    const work = this.#work().finally(() => {
      clearTimeout(timer)
      this.#answer = undefined
      this.#isLate = false
    })
    return await Promise.race([work, late])
  }
}
