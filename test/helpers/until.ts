import { setTimeout as delay } from 'node:timers/promises'

type Falsy = false | undefined | null | '' | 0

/** Looks until `look` gives something that is true, and returns it; fails after `ms` and says what was awaited. */
export async function until<T>(
  what: string | (() => string),
  look: () => T | Promise<T>,
  ms = 10_000,
): Promise<Exclude<T, Falsy>> {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found) return found as Exclude<T, Falsy>
    if (performance.now() > deadline) {
      throw new Error(`Not within ${ms} ms: ${typeof what === 'string' ? what : what()}`)
    }
    await delay(10)
  }
}
