import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const library = readdirSync('/usr/lib', { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))

/** Whether Debian's libfaketime is installed. */
export const hasFakeClock = library !== undefined

/** A wall clock that a process sees while the rest of the machine, and its steady time, go on as they are. */
export class FakeClock {
  readonly #file: string

  constructor(folder: string) {
    this.#file = join(folder, 'faketime')
  }

  /** Environment of a process that lives by it. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      // Timers and waits go by this one, and files have the times of the machine.
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
  }

  /** Sets it so many seconds ahead of the machine's clock, or behind it. */
  async set(seconds: number): Promise<void> {
    await writeFile(this.#file, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
  }
}
