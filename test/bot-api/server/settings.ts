import type { Cloud } from '../cloud/cloud.ts'

export type Settings = {
  /** Bandwidth of each bot's downloads; null = what the disk takes, 0 = nothing comes. */
  download_bytes_per_second: number | null
  /** How long a login takes; a bot whose login has not ended gives no answer to anything. */
  login_delay_ms: number
  /** After this long without an answer the socket of a call is closed. */
  idle_timeout_ms: number
  /** What Telegram says to a login instead of letting it in. */
  login_error: { error_code: number; description: string; retry_after?: number } | null
  /** Whether a bot that says too much is told to wait. */
  flood_limits: boolean
  /** Whether the server reaches Telegram; while it does not, what its memory cannot answer has no answer. */
  is_connected: boolean
  /** Whether the server is so new that it knows drafts (Bot API 9.5). */
  drafts: boolean
  /** Files of which nothing more comes, by their unique id, once so many bytes are there. */
  stalled_files: Record<string, number>
}

const DEFAULTS: Settings = {
  download_bytes_per_second: null,
  login_delay_ms: 0,
  idle_timeout_ms: 500_000,
  login_error: null,
  flood_limits: false,
  is_connected: true,
  drafts: false,
  stalled_files: {},
}

/** How Telegram and the network behave; kept in the cloud, so it survives a restart of the server. */
export class LiveSettings {
  readonly #cloud: Cloud
  readonly #waiting = new Set<() => void>()

  constructor(cloud: Cloud) {
    this.#cloud = cloud
  }

  get now(): Settings {
    return { ...DEFAULTS, ...this.#cloud.settings }
  }

  /** Throws on a name that is no setting. */
  change(changes: Record<string, unknown>): void {
    const unknown = Object.keys(changes).find((name) => !(name in DEFAULTS))
    if (unknown) throw new Error(`No such setting: ${unknown}`)
    this.#cloud.write({ t: 'settings', settings: changes })
    this.wake()
  }

  /** Resolves when the server reaches Telegram. */
  async connection(): Promise<void> {
    while (!this.now.is_connected) await this.pause(Number.POSITIVE_INFINITY)
  }

  /** Ends every `pause` that is under way. */
  wake(): void {
    for (const resume of [...this.#waiting]) resume()
  }

  /** Resolves after `ms`, or as soon as a setting changes; the caller looks again. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        clearTimeout(timer)
        this.#waiting.delete(resume)
        resolve()
      }
      const timer = setTimeout(resume, Math.min(ms, 2 ** 31 - 1))
      this.#waiting.add(resume)
    })
  }
}
