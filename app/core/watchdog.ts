import { write } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Log } from './log.ts'

/** Resolves when a loop has come round; for one that hangs, never. */
export type SignOfLife = () => Promise<unknown>

const send = promisify(write)

/**
 * Tells systemd that the role has started, and then, at intervals, that all its loops came round: a loop that hangs, or
 * a process that does, is noticed there and started anew. What a loop waits for outside, such as a lock on the database
 * or Telegram, is no hang. Where systemd does not ask, nothing of this runs.
 */
export class Watchdog implements AsyncDisposable {
  /** A socket that ends at systemd, opened by `deploy/notify-fd.pl`. */
  readonly #descriptor: number | undefined
  /** Milliseconds between two beats; none when nobody counts them. */
  readonly #interval: number | undefined
  readonly #log: Log
  readonly #signs = new Map<string, SignOfLife>()
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  /** @param env sd_watchdog_enabled(3): a child must not speak for its parent */
  constructor(env: NodeJS.ProcessEnv, pid: number, log: Log) {
    const { NOTIFY_FD, WATCHDOG_USEC, WATCHDOG_PID = String(pid) } = env
    this.#descriptor = NOTIFY_FD === undefined ? undefined : Number(NOTIFY_FD)
    const isOurs = Number(WATCHDOG_USEC) > 0 && WATCHDOG_PID === String(pid)
    this.#interval = isOurs ? Number(WATCHDOG_USEC) / 1000 / 3 : undefined
    this.#log = log
  }

  /** From now on no beat without this loop's sign. */
  watch(name: string, sign: SignOfLife): void {
    this.#signs.set(name, sign)
  }

  /** The role has started, or waits for something outside that may last. Can be repeated. */
  ready(): void {
    if (this.#descriptor !== undefined) this.#running ??= this.#run(this.#descriptor, this.#interval)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(descriptor: number, interval: number | undefined): Promise<void> {
    const { signal } = this.#stop
    await this.#notify(descriptor, 'READY=1')
    while (interval !== undefined) {
      // At the same time: while another program holds the database, each wait for it holds up all loops for seconds.
      const pause = delay(interval, undefined, { signal }).catch(() => {})
      const isAlive = await this.#signsOfLife(2 * interval)
      await pause
      if (signal.aborted) return
      if (isAlive) await this.#notify(descriptor, 'WATCHDOG=1')
    }
  }

  /** Whether all loops came round; waits for it as long as systemd does, and names the late ones before it acts. */
  async #signsOfLife(patience: number): Promise<boolean> {
    const silent = new Set(this.#signs.keys())
    const say = () => this.#log.error({ silent: [...silent] }, 'a loop of the program does not come round')
    const late = setTimeout(say, patience)
    const ended = Promise.withResolvers<boolean>()
    const end = () => ended.resolve(false)
    this.#stop.signal.addEventListener('abort', end)
    const all = Promise.all(
      [...this.#signs].map(async ([name, sign]) => {
        await sign()
        silent.delete(name)
      }),
    )
    try {
      return await Promise.race([all.then(() => true), ended.promise])
    } catch (error) {
      this.#log.error({ silent: [...silent], error }, 'a part of the program does not answer')
      return false
    } finally {
      this.#stop.signal.removeEventListener('abort', end)
      clearTimeout(late)
    }
  }

  /** A word that is lost is made good by the next; that they are lost is what systemd then acts upon. */
  async #notify(descriptor: number, word: string): Promise<void> {
    try {
      await send(descriptor, word)
    } catch (error) {
      this.#log.error({ error }, 'systemd cannot be told that the program works')
    }
  }
}
