import { setTimeout as delay } from 'node:timers/promises'
import type { Update } from 'telegraf/types'
import { describe, TelegramRefusal, TelegramUnreachable } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'
import type { Plan } from './attempts.ts'
import { Inbox } from './inbox.ts'

/** Seconds that the server holds an empty answer; its own limit. */
const longPoll = 50

/** Updates of one answer of Telegram, at most. */
export const fullAnswer = 100

/** Updates of the last run that are looked at before the first call. */
const maxKept = 5000

/** Milliseconds between two calls while the server does not answer as it should. */
const pause = 3000

interface Parts {
  api: TelegramApi
  database: Database
  log: Log
  /** Says how to handle an update. */
  plan: (update: Update) => Plan
  /** What is kept of an update. */
  conceal: (update: Update) => Update
  /** Tells the sender of an update that it cannot be handled. */
  putAside: (update: Update) => Promise<void>
  /** Called when the server begins to answer, and when it stops to. */
  connected: (ok: boolean, detail: string) => void
  /** Called with what came, before anything of it is handled. */
  seen: (updates: Update[]) => void
  /** Called with what the last run kept and did not handle, which Telegram does not repeat; before anything came. */
  kept: (updates: Update[]) => void
}

/** Takes updates from Telegram into the inbox, and only then lets Telegram forget them. */
export class Updates {
  readonly #parts: Parts
  readonly #inbox: Inbox
  readonly #types: string[]

  constructor(parts: Parts, types: string[]) {
    this.#parts = parts
    this.#inbox = new Inbox({ ...parts, botId: parts.api.botId })
    this.#types = types
  }

  /** Polls and handles until `signal` is aborted and the running handlers have ended. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#poll(signal), this.#inbox.run(signal)])
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { api, kept, log } = this.#parts
    await this.#inbox.waiting(maxKept).then(kept, (error) => log.error({ error }, 'updates cannot be read'))
    // Without an offset Telegram begins at the oldest unconfirmed one; known ones are told apart by their row. An
    // offset kept over a restart would miss updates, since Telegram may start counting anew after a quiet week.
    let offset: number | undefined
    // After an outage the first answer says that it is over: it must not be held back for want of updates.
    let timeout = 0
    while (!signal.aborted) {
      try {
        const updates = await api.call<Update[]>(
          'getUpdates',
          { offset, timeout, limit: fullAnswer, allowed_updates: this.#types },
          { timeout: (longPoll + 15) * 1000, signal },
        )
        this.#parts.seen(updates)
        this.#parts.connected(true, 'logged in')
        timeout = longPoll
        const last = updates.at(-1)
        if (!last) continue
        await this.#inbox.store(updates.map(this.#parts.conceal))
        offset = last.update_id + 1
      } catch (error) {
        if (signal.aborted) return
        timeout = 0
        await this.#wait(error, signal)
      }
    }
  }

  async #wait(error: unknown, signal: AbortSignal): Promise<void> {
    // A fault of the database, such as a full disk: Telegram keeps what could not be stored.
    if (error instanceof TelegramRefusal || error instanceof TelegramUnreachable) {
      this.#parts.connected(false, describe(error))
    } else {
      this.#parts.log.error({ error }, 'updates cannot be stored')
    }
    const seconds = error instanceof TelegramRefusal ? error.retryAfter : undefined
    await delay(seconds === undefined ? pause : seconds * 1000, undefined, { signal }).catch(() => {})
  }
}
