import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import type { Update } from 'telegraf/types'
import type { Database } from '../core/database/database.ts'
import { isDatabaseDown } from '../core/database/errors.ts'
import type { Log } from '../core/log.ts'
import { parsed, UpdateRows, type Waiting } from './update-rows.ts'

/** An update that fails this often is put aside, so that the ones behind it are served. */
const maxTries = 3

/** New updates that share a transaction, and so its wait for the disk. */
const maxTogether = 10

/** Milliseconds after which such a transaction ends, and others of this process may write. */
const maxHold = 500

/** Chats that are apart at the same time: with an update being prepared, or with one that has just failed. */
const maxApart = 16

/** Milliseconds for which an update may be prepared. */
const maxPreparation = 60_000

/** Milliseconds between two tries to write to a database that takes nothing. */
const pause = 3000

/** Writes what follows from an update, and waits for nothing but the database: nobody else writes meanwhile. */
export type Write = () => Promise<void>

/** How an update is handled. What is `prepare`d comes before the transaction, and may wait for anything. */
export type Plan = { write: Write } | { prepare: (signal: AbortSignal) => Promise<Write> }

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
      const { chat_id: chat } = update
      const plan = this.#planOf(update)
      const isBehind = this.#apart.has(chat) || behind.some(({ chat_id }) => chat_id === chat)
      const isFirst = ![...together.keys()].some(({ chat_id }) => chat_id === chat)
      if (!isBehind && 'write' in plan) together.set(update, plan.write)
      else if (!isBehind && isFirst && this.#apart.size < maxApart) await this.#goApart(update, plan, signal)
      else behind.push(update)
    }
    if (together.size > 0) await this.#handleTogether(together, signal)
    if (behind.length > 0) await this.#giveBack(behind, signal)
  }

  async #beginAlone(update: Waiting, signal: AbortSignal): Promise<void> {
    // What has failed each time is not even looked at.
    const plan = update.tries > maxTries ? undefined : this.#planOf(update)
    if (plan && 'prepare' in plan) return await this.#goApart(update, plan, signal)
    const milliseconds = await this.#handleAlone(update, plan, signal)
    if (milliseconds > 0) this.#keepApart(update, Promise.resolve(milliseconds), signal)
  }

  /** Has an update prepared and handled while other chats go on; after a crash one after another. */
  async #goApart(update: Waiting, plan: Plan, signal: AbortSignal): Promise<void> {
    const handled = this.#handleAlone(update, plan, signal)
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

  async #handleTogether(updates: Map<Waiting, Write>, signal: AbortSignal): Promise<void> {
    const { database, log } = this.#parts
    const left = [...updates]
    let handling: Waiting | undefined
    while (left.length > 0) {
      let done: Waiting[] = []
      try {
        await database.transaction(async () => {
          done = []
          const began = performance.now()
          for (const [update, write] of left) {
            handling = update
            await write()
            done.push(update)
            if (performance.now() - began > maxHold) break
            // SQLite answers at once: nothing else would have its turn until all of them are handled.
            await immediate()
          }
          handling = undefined
          await this.#rows.markHandled(done)
        })
        left.splice(0, done.length)
      } catch (error) {
        const rest = left.map(([update]) => update)
        if (isDatabaseDown(error)) return await this.#putBack(rest, error, signal)
        log.info({ updates: rest.length, error }, 'one of several updates failed: it is handled alone')
        for (const { update_id } of handling ? [handling] : rest) this.#alone.add(update_id)
        return await this.#giveBack(rest, signal)
      }
    }
  }

  /** Returns the milliseconds after which its chat goes on. @param plan undefined when it was tried too often */
  async #handleAlone(update: Waiting, plan: Plan | undefined, signal: AbortSignal): Promise<number> {
    const { database, log } = this.#parts
    const { update_id, tries } = update
    try {
      const read = parsed(update.body)
      const write = read && plan && (await prepared(plan, signal))
      await database.transaction(async () => {
        await (write ? write() : this.#putAside(update, read))
        await this.#rows.markHandled([update], write ? '' : update.body)
      })
      return 0
    } catch (error) {
      if (isDatabaseDown(error)) await this.#putBack([update], error, signal)
      else if (signal.aborted) await this.#giveBack([update], signal)
      else {
        log.error({ update_id, tries, error }, 'update failed')
        return 100 * 4 ** tries
      }
      return 0
    } finally {
      this.#alone.delete(update_id)
      this.#leftBehind?.delete(update_id)
    }
  }

  async #putAside({ update_id, tries }: Waiting, read: Update | undefined): Promise<void> {
    const why = `it ${read ? 'fails each time' : 'cannot be read'}`
    this.#parts.log.error({ update_id, tries }, `update put aside: ${why}`)
    // Told once: an update that cannot even be told of must not stay in front of the others.
    if (read && tries === maxTries + 1) await this.#parts.putAside(read)
  }

  /** One of an odd shape fails when it is handled, as others do. */
  #planOf({ body }: Waiting): Plan {
    try {
      return this.#parts.plan(JSON.parse(body))
    } catch (error) {
      return { write: () => Promise.reject(error) }
    }
  }

  /** A full disk or a locked database is no fault of the updates. */
  async #putBack(updates: Waiting[], error: unknown, signal: AbortSignal): Promise<void> {
    this.#parts.log.error(
      { update_id: updates[0]?.update_id, updates: updates.length, error },
      'update failed',
    )
    await wait(400, signal)
    await this.#giveBack(updates, signal)
  }

  /** Takes the last try off the count; waits for a database that cannot be written to. */
  async #giveBack(updates: Waiting[], signal: AbortSignal): Promise<void> {
    do {
      try {
        return await this.#rows.giveBack(updates)
      } catch (error) {
        this.#parts.log.debug({ error }, 'the database cannot be written to')
        await wait(pause, signal)
      }
    } while (!signal.aborted)
  }

  #wake(): void {
    this.#isAwake = true
    this.#awake()
  }

  #sleep(signal: AbortSignal): Promise<void> {
    // Nothing waits but what is apart. Telegram's count may start anew, and lower.
    this.#alone.clear()
    this.#leftBehind?.clear()
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

/** @throws what its preparation throws, or when that takes too long */
async function prepared(plan: Plan, signal: AbortSignal): Promise<Write> {
  if ('write' in plan) return plan.write
  const limit = AbortSignal.any([signal, AbortSignal.timeout(maxPreparation)])
  const end = Promise.withResolvers<never>()
  limit.addEventListener('abort', () => end.reject(limit.reason), { once: true })
  return await Promise.race([plan.prepare(limit), end.promise])
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {})
}
