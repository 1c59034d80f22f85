import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { Listeners } from './listeners.ts'
import { connect } from './postgres.ts'
import type { PostgresPlace } from './settings.ts'

/** Milliseconds between two attempts to have a connection again. */
const pause = 1000

/**
 * Hears what any process notifies this database of, on a connection of its own. Nothing may rely on it alone: what is told
 * while there is no connection is lost, so that all are told when there is one again.
 */
export class PostgresListener implements AsyncDisposable {
  readonly #place: PostgresPlace
  readonly #listeners = new Listeners()
  readonly #stop = new AbortController()
  #client: Client | undefined
  #running: Promise<void> | undefined

  constructor(place: PostgresPlace) {
    this.#place = place
  }

  listen(channel: string, listener: () => void): Disposable {
    const isNew = !this.#listeners.channels.includes(channel)
    const added = this.#listeners.add(channel, listener)
    this.#running ??= this.#run()
    // One that cannot be asked for is asked for with all the others, by the next connection.
    if (isNew) this.#client?.query(listenTo(channel)).catch(() => {})
    return added
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#client?.end()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#hear()
      } catch {
        // The database is away, which is met, and told, where it counts.
      }
      await delay(pause, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** Until the connection ends. */
  async #hear(): Promise<void> {
    const client = await connect(this.#place)
    const ended = new Promise((resolve) => client.once('end', resolve))
    client.on('notification', ({ channel }) => this.#listeners.tell(channel))
    this.#client = client
    try {
      for (const channel of this.#listeners.channels) await client.query(listenTo(channel))
      this.#listeners.tellAll()
      if (this.#stop.signal.aborted) await client.end()
      await ended
    } finally {
      this.#client = undefined
    }
  }
}

function listenTo(channel: string): string {
  if (!/^[a-z_]+$/.test(channel)) throw new TypeError(`${channel} is no name of a channel`)
  return `LISTEN ${channel}`
}
