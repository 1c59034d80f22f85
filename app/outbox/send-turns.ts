import type { Log } from '../core/log.ts'
import { messagesIn } from './content.ts'
import type { MessageRow } from './message.ts'
import type { SendRateLimiter, Weight } from './send-rate-limiter.ts'
import type { DueRow, SendingRows } from './sending-rows.ts'

interface Parts {
  rows: SendingRows
  limiter: SendRateLimiter
  log: Log
  /** Whether this process is the one that sends. */
  maySend: () => boolean
  /** Makes one attempt to deliver a message. */
  deliver: (id: number) => Promise<void>
}

/** Messages on their way at the same time. */
const maxInFlight = 16

/** Milliseconds without an answer after which a message makes room for another: a few chats may be silent for a minute. */
const slow = 2000

/** With the slow ones. They leave connections of those that a bot has to what it needs besides. */
const maxWithSlow = 40

/** Messages for which bytes go to Telegram at the same time: they share this machine's line. */
const maxUploads = 3

/**
 * Messages of each sort that a look finds: most often the first few may go; where their chats are held by the limiter, as
 * many as chats can be held at a time.
 */
const looks = [20, 500]

/** Decides who is sent when: what waits in the table, one call at a time in each chat, as fast as the limiter allows. */
export class SendTurns {
  readonly #parts: Parts
  /** Chats with a call on its way: their order is kept by waiting. */
  readonly #busy = new Set<number>()
  /** Chats to which bytes are on their way for minutes: only the next ones wait for that, by which each is found again. */
  readonly #uploading = new Set<number>()
  /** With the time at which each began. */
  readonly #inFlight = new Map<Promise<void>, number>()
  #stopped = false
  #soon: NodeJS.Timeout | undefined
  #looking = false
  #lookAgain = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Ends after the calls on their way; what waits is sent after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#inFlight.keys())
  }

  /** Looks for messages to send now. */
  wake(): void {
    if (this.#looking) {
      this.#lookAgain = true
      return
    }
    this.#looking = true
    this.#look()
      .catch((error) => this.#parts.log.error({ error }, 'cannot read the messages to send'))
      .finally(() => {
        this.#looking = false
        if (this.#lookAgain) {
          this.#lookAgain = false
          this.wake()
        }
      })
  }

  /** Does `work`, which makes one call for the chat of `row`, if that may be done now; else nothing. */
  offer({ id, chat_id }: MessageRow, weight: Weight, work: () => Promise<void>): void {
    const row = { id, chat_id, kind: null, content: null }
    if (this.#parts.maySend() && this.#wait(row, weight) === 0) this.#start(row, work)
  }

  async #look(): Promise<void> {
    const { rows, limiter, deliver } = this.#parts
    if (this.#stopped || this.#isFull || !this.#parts.maySend()) return
    if (limiter.closedFor > 0) return this.#wakeIn(limiter.closedFor)
    let soonest = Number.POSITIVE_INFINITY
    for (const most of looks) {
      const due = await rows.due(most, this.#uploading.size < maxUploads)
      for (const row of due) {
        if (this.#isFull) return
        if (limiter.closedFor > 0) return this.#wakeIn(limiter.closedFor)
        const wait = this.#wait(row, row.kind === 'live' ? 'progress' : 'must')
        if (wait === 0) this.#start(row, () => deliver(row.id))
        soonest = Math.min(soonest, wait)
      }
      if (due.length < most) break
    }
    if (soonest > 0 && soonest < 1000) this.#wakeIn(soonest)
  }

  get #isFull(): boolean {
    const since = performance.now() - slow
    const recent = [...this.#inFlight.values()].filter((at) => at > since)
    return recent.length >= maxInFlight || this.#inFlight.size >= maxWithSlow
  }

  /** One timer at a time: each look may ask for the next one. */
  #wakeIn(milliseconds: number): void {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(() => this.wake(), milliseconds).unref()
  }

  /** Milliseconds until a call for a message may be made; endless while one is on its way, whose end wakes us. */
  #wait(row: DueRow, weight: Weight): number {
    const { chat_id, kind } = row
    const isBusy =
      kind === 'upload'
        ? this.#uploading.has(chat_id) || this.#uploading.size >= maxUploads
        : this.#busy.has(chat_id)
    if (isBusy || this.#stopped) return Number.POSITIVE_INFINITY
    return this.#parts.limiter.wait(chat_id, weight, messagesIn(row))
  }

  #start(row: DueRow, work: () => Promise<void>): void {
    const { id, chat_id, kind } = row
    const { limiter, log } = this.#parts
    const busy = kind === 'upload' ? this.#uploading : this.#busy
    busy.add(chat_id)
    limiter.take(chat_id, messagesIn(row))
    const task = work()
      .catch((error) => {
        // The database cannot be written to, or this is a fault of the program: not at once again.
        limiter.hold(chat_id, 1)
        log.error({ outgoing: id, error }, 'message not recorded')
      })
      .finally(() => {
        busy.delete(chat_id)
        this.#inFlight.delete(task)
        this.wake()
      })
    this.#inFlight.set(task, performance.now())
  }
}
