import { codeOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { monotonicNow } from '../../core/monotonic-time.ts'
import type { Notices } from './notices.ts'

/** Milliseconds before a file that could not be removed or moved is tried again. */
const pause = 3_600_000

/** Files remembered; any more of them are tried, in vain, at every run. */
const most = 10_000

/** Files named in the log: of a disk that takes no writes any more, not each. */
const mostNamed = 100

/** Files that cannot be removed (`chattr +i`, a bad sector): left out for a while, so that they hold up nothing. */
export class StuckFiles {
  readonly #log: Log
  readonly #notices: Notices
  readonly #until = new Map<string, number>()
  #code = ''

  constructor(log: Log, notices: Notices) {
    this.#log = log
    this.#notices = notices
  }

  /** Whether a file is to be left alone now. */
  holds(file: string): boolean {
    return (this.#until.get(file) ?? 0) > monotonicNow()
  }

  /** Does `work` on a file. Returns what it gives, or undefined when it failed; then, the file is left out. */
  async attempt<T>(file: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work()
      this.#until.delete(file)
      return done
    } catch (error) {
      this.#code = codeOf(error) ?? 'unknown'
      const isNew = !this.#until.has(file)
      if (isNew && this.#until.size < mostNamed) this.#log.error({ file, error }, 'a file cannot be removed')
      if (!isNew || this.#until.size < most) this.#until.set(file, monotonicNow() + pause)
      return undefined
    }
  }

  /** Tells the owner when there is something to tell. */
  async report(): Promise<void> {
    const count = this.#until.size
    if (count === 0) return await this.#notices.over('stuck')
    await this.#notices.say(
      'stuck',
      count === 1
        ? `A file on the server cannot be removed (${this.#code}). Everything else goes on, and it is tried again ` +
            'every hour; the log names it.'
        : `${count} files on the server cannot be removed (${this.#code}). Everything else goes on, and they are ` +
            'tried again every hour; the log names some of them.',
    )
  }
}
