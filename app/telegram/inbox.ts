import type { Update } from 'telegraf/types'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import { Attempts, maxTries, type Plan, type Write, wait } from './attempts.ts'
import { parsed, UpdateRows, type Waiting } from './update-rows.ts'

/** New updates that share a transaction, and so its wait for the disk. */
const maxTogether = 10

/** Chats that are apart at the same time: with an update being prepared, or with one that has just failed. */
const maxApart = 16

interface Parts {
  botId: number
  database: Database
  log: Log
  /** Says how to handle an update; itself it waits for nothing. */
  plan: (update: Update) => Plan
  /** Tells the sender of an update that it cannot be handled. */
  putAside: (update: Update) => Promise<void>
}

/**
 * Updates that Telegram may forget: each is handled after those before it in its chat, in the transaction that marks it
 * as handled, so that what a handler writes is there once or not at all. New ones share a transaction; when it fails, the
 * one that failed it is handled alone. What has to wait for more than the database is prepared before its transaction:
 * only its chat waits for it, as for one that has failed and is tried again. One that was tried before is always alone,
 * and while there are any that a process before this one has tried, nothing is prepared beside them: what kills the
 * process takes no other one with it. A handler meets its update at most {@link maxTries} times; then it is put aside
 * with its body, for whoever looks into it.
 */
export class Inbox {
  readonly #parts: Parts
  readonly #rows: UpdateRows
  readonly #attempts: Attempts
  /** What the chats apart wait for. */
  readonly #apart = new Map<number, Promise<void>>()
  /** Updates that have failed others in a shared transaction. */
  readonly #alone = new Set<number>()
  /** Updates that an earlier process has tried: one of them may have ended it. Undefined before the first look. */
  #leftBehind: Set<number> | undefined
  #isAwake = false
  #awake = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
    this.#rows = new UpdateRows(parts.botId, parts.database)
    this.#attempts = new Attempts({ ...parts, rows: this.#rows })
  }

  /** Keeps updates, once each; they are there when this returns. */
  async store(updates: Update[]): Promise<void> {
    await this.#rows.add(updates)
    this.#wake()
  }

  /** Up to `limit` updates that are kept and not handled yet, the oldest first. */
  async waiting(limit: number): Promise<Update[]> {
    return (await this.#rows.bodies(limit)).flatMap((body) => parsed(body) ?? [])
  }

  /** Handles what is there and what comes, until `signal` is aborted and the running handlers have ended. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isAwake = false
      const updates = await this.#take().catch((error): Waiting[] => {
        this.#parts.log.error({ error }, 'updates cannot be read')
        return []
      })
      if (updates.length === 0) await this.#sleep(signal)
      else await this.#begin(updates, signal)
      if (this.#apart.size >= maxApart) await Promise.race(this.#apart.values())
    }
    await Promise.all(this.#apart.values())
  }

  async #take(): Promise<Waiting[]> {
    if (!this.#leftBehind) {
      await this.#rows.placeInChats()
      this.#leftBehind = new Set(await this.#rows.tried())
    }
    return await this.#rows.take(maxTogether, { apart: [...this.#apart.keys()], alone: [...this.#alone] })
  }

  async #begin(updates: Waiting[], signal: AbortSignal): Promise<void> {
    const [first] = updates
    if (first && updates.length === 1) return await this.#beginAlone(first, signal)
    const together = new Map<Waiting, Write>()
    const behind: Waiting[] = []
    for (const update of updates) {
      const isOfItsChat = (other: Waiting) => other.chat_id === update.chat_id
      if (this.#apart.has(update.chat_id) || behind.some(isOfItsChat)) {
        behind.push(update)
        continue
      }
      const plan = this.#planOf(update)
      if ('write' in plan) together.set(update, plan.write)
      else if (this.#apart.size >= maxApart || [...together.keys()].some(isOfItsChat)) behind.push(update)
      else await this.#goApart(update, plan, signal)
    }
    for (const id of await this.#attempts.together(together, signal)) this.#alone.add(id)
    if (behind.length > 0) await this.#attempts.giveBack(behind, signal)
  }

  async #beginAlone(update: Waiting, signal: AbortSignal): Promise<void> {
    // What has failed each time is not even looked at.
    const plan = update.tries > maxTries ? undefined : this.#planOf(update)
    if (plan && 'prepare' in plan) return await this.#goApart(update, plan, signal)
    const milliseconds = await this.#attemptAlone(update, plan, signal)
    if (milliseconds > 0) this.#keepApart(update, Promise.resolve(milliseconds), signal)
  }

  /** Has an update prepared and handled while other chats go on; after a crash one after another. */
  async #goApart(update: Waiting, plan: Plan, signal: AbortSignal): Promise<void> {
    const handled = this.#attemptAlone(update, plan, signal)
    const isWatched = (this.#leftBehind?.size ?? 0) > 0
    this.#keepApart(update, handled, signal)
    if (isWatched) await handled
  }

  /** Has the others of a chat wait until an update is handled, and for as long afterwards as that says. */
  #keepApart({ chat_id }: Waiting, handled: Promise<number>, signal: AbortSignal): void {
    const over = handled.then(async (milliseconds) => {
      if (milliseconds > 0) await wait(milliseconds, signal)
      this.#apart.delete(chat_id)
      this.#wake()
    })
    this.#apart.set(chat_id, over)
  }

  /** One of an odd shape fails when it is handled, as others do. */
  #planOf({ body }: Waiting): Plan {
    try {
      return this.#parts.plan(JSON.parse(body))
    } catch (error) {
      return { write: () => Promise.reject(error) }
    }
  }

  async #attemptAlone(update: Waiting, plan: Plan | undefined, signal: AbortSignal): Promise<number> {
    const milliseconds = await this.#attempts.alone(update, plan, signal)
    this.#alone.delete(update.update_id)
    this.#leftBehind?.delete(update.update_id)
    return milliseconds
  }

  #wake(): void {
    this.#isAwake = true
    this.#awake()
  }

  #sleep(signal: AbortSignal): Promise<void> {
    // Nothing waits at all. Telegram's count may start anew, and lower.
    if (this.#apart.size === 0) {
      this.#alone.clear()
      this.#leftBehind?.clear()
    }
    if (this.#isAwake) return Promise.resolve()
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', awake)
        resolve()
      }
      const timer = setTimeout(awake, 1000)
      this.#awake = awake
      signal.addEventListener('abort', awake)
    })
  }
}
