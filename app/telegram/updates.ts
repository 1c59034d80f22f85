import { setTimeout as delay } from 'node:timers/promises'
import type { Update } from 'telegraf/types'
import { type Database, isDatabaseDown } from '../core/database.ts'
import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'
import { TelegramRefusal, TelegramUnreachable } from './errors.ts'

/** Seconds that the server holds an empty answer; its own limit. */
const longPoll = 50

/** An update that fails this often is put aside, so that the ones behind it are served. */
const maxTries = 3

/** Milliseconds between two calls while the server does not answer as it should. */
const pause = 3000

interface Waiting extends Record<string, unknown> {
  update_id: number
  body: string
  tries: number
}

interface Parts {
  api: TelegramApi
  database: Database
  log: Log
  handle: (update: Update) => Promise<void>
  /** Called when the server begins to answer, and when it stops to. */
  connected: (ok: boolean, detail: string) => void
  /** Called with what came, before anything of it is handled. */
  seen: (updates: Update[]) => void
}

/**
 * Takes updates from Telegram into the database, and only then lets Telegram forget them; handles each from there,
 * one after another, in the transaction that marks it as handled: what a handler writes is there once or not at
 * all. A handler that crashes the process meets its update again, at most {@link maxTries} times.
 */
export class Updates {
  readonly #parts: Parts
  readonly #types: string[]
  #wake = () => {}

  constructor(parts: Parts, types: string[]) {
    this.#parts = parts
    this.#types = types
  }

  /** Polls and handles until `signal` is aborted and the running handler has ended. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#poll(signal), this.#work(signal)])
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { api } = this.#parts
    // Without an offset Telegram begins at the oldest unconfirmed one; known ones are told apart by their row. An
    // offset kept over a restart would miss updates, since Telegram may start counting anew after a quiet week.
    let offset: number | undefined
    // After an outage the first answer says that it is over: it must not be held back for want of updates.
    let timeout = 0
    while (!signal.aborted) {
      try {
        const updates = await api.call<Update[]>(
          'getUpdates',
          { offset, timeout, limit: 100, allowed_updates: this.#types },
          { timeout: (longPoll + 15) * 1000, signal },
        )
        this.#parts.seen(updates)
        this.#parts.connected(true, 'logged in')
        timeout = longPoll
        const last = updates.at(-1)
        if (!last) continue
        await this.#store(updates)
        offset = last.update_id + 1
        this.#wake()
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

  async #store(updates: Update[]): Promise<void> {
    const { api, database } = this.#parts
    await database.transaction(async () => {
      for (const update of updates) {
        await database.query(
          `INSERT INTO updates (bot_id, update_id, body, received_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (bot_id, update_id) DO NOTHING`,
          api.botId,
          update.update_id,
          JSON.stringify(update),
          Date.now(),
        )
      }
    })
  }

  async #work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const update = await this.#next().catch((error) => {
        this.#parts.log.error({ error }, 'updates cannot be read')
      })
      if (update) await this.#handle(update, signal)
      else await this.#sleep(signal)
    }
  }

  /** The oldest waiting update, its try already counted, so that one which kills the process is counted too. */
  async #next(): Promise<Waiting | undefined> {
    const [update] = await this.#parts.database.query<Waiting>(
      `UPDATE updates SET tries = tries + 1 WHERE bot_id = $1 AND update_id = (
         SELECT update_id FROM updates WHERE bot_id = $1 AND handled_at IS NULL ORDER BY update_id LIMIT 1
       ) RETURNING update_id, body, tries`,
      this.#parts.api.botId,
    )
    return update
  }

  async #handle({ update_id, body, tries }: Waiting, signal: AbortSignal): Promise<void> {
    const { api, database, handle, log } = this.#parts
    try {
      await database.transaction(async () => {
        if (tries > maxTries) log.error({ update_id, tries }, 'update put aside: it fails each time')
        else await handle(JSON.parse(body))
        await database.query(
          `UPDATE updates SET handled_at = $3, body = '' WHERE bot_id = $1 AND update_id = $2`,
          api.botId,
          update_id,
          Date.now(),
        )
      })
    } catch (error) {
      log.error({ update_id, tries, error }, 'update failed')
      await delay(100 * 4 ** tries)
      if (isDatabaseDown(error)) await this.#giveBack(update_id, signal)
    }
  }

  /** A full disk or a locked database is not the update's fault: its try does not count. */
  async #giveBack(updateId: number, signal: AbortSignal): Promise<void> {
    const { api, database, log } = this.#parts
    const sql = 'UPDATE updates SET tries = tries - 1 WHERE bot_id = $1 AND update_id = $2'
    while (!signal.aborted) {
      try {
        await database.query(sql, api.botId, updateId)
        return
      } catch (error) {
        log.debug({ error }, 'the database cannot be written to')
        await delay(pause, undefined, { signal }).catch(() => {})
      }
    }
  }

  #sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', awake)
        resolve()
      }
      // A wake-up between the look into the table and this line is made good after a second.
      const timer = setTimeout(awake, 1000)
      this.#wake = awake
      signal.addEventListener('abort', awake)
    })
  }
}

/** One clause about why the server is of no use now, for the log and /health. */
export function describe(error: TelegramRefusal | TelegramUnreachable): string {
  if (error instanceof TelegramUnreachable) return `not reachable (${error.code})`
  if (error.code === 401 || error.code === 404) return 'the bot token is refused by Telegram'
  if (error.code === 421) return 'the Bot API server is set up for another bot'
  if (error.code === 409) return 'another program takes the updates of this bot'
  return `refused (${error.code} ${error.description})`
}
