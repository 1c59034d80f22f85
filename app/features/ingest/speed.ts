/** Milliseconds over which the speed is taken: long enough to be calm, short enough to follow. */
const span = 10_000

/** Bytes per second of something that grows. */
export class Speed {
  readonly #seen: { at: number; bytes: number }[] = []

  /** Notes that `bytes` are there now; returns the speed of the last seconds, once it can be told. */
  at(bytes: number): number | undefined {
    const now = performance.now()
    this.#seen.push({ at: now, bytes })
    while (this.#seen.length > 2 && now - (this.#seen[0]?.at ?? now) > span) this.#seen.shift()
    const first = this.#seen[0]
    if (!first || now - first.at < 500) return undefined
    return (bytes - first.bytes) / ((now - first.at) / 1000)
  }
}
