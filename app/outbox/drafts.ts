import type { BotApi } from '../core/bot-api.ts'
import { TelegramRefusal } from '../core/bot-api.ts'
import type { Log } from '../core/log.ts'
import { showDraft } from './calls.ts'
import { isClosedBy } from './chats.ts'
import type { MessageRow } from './message.ts'
import type { Wanted } from './pieces.ts'
import type { SendRateLimiter } from './send-rate-limiter.ts'
import type { SendingRows } from './sending-rows.ts'

/** Milliseconds after which a draft is shown again: Telegram forgets it after 30 s. */
const renewAfter = 20_000

/** Milliseconds without a new text after which a draft is left to go: who wrote it is gone, or thinks for very long. */
const abandonedAfter = 300_000

/** Chats that are remembered to take no drafts. */
const maxChats = 10_000

interface Parts {
  api: BotApi
  rows: SendingRows
  limiter: SendRateLimiter
  log: Log
}

interface Live {
  row: MessageRow
  wanted: Wanted
  writtenAt: number
  shownAt: number
}

/**
 * Texts that grow, shown as drafts (core.telegram.org/bots/api#sendmessagedraft): in private chats, by servers that know
 * them. Whatever is refused there goes the other way, as a message that is edited; what is in the chat for good is the
 * last text only, which is sent as any message is.
 */
export class Drafts {
  readonly #parts: Parts
  readonly #live = new Map<number, Live>()
  /** Chats that take no drafts. */
  readonly #without = new Set<number>()
  #isKnown = true

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Shows a text that grows. Returns false when it must be a message: then it is one from now on.
   * @throws TelegramRefusal of the whole chat, or to be tried again later; TelegramUnreachable
   */
  async show(row: MessageRow, wanted: Wanted): Promise<boolean> {
    const { rows, limiter, log } = this.#parts
    if (!this.#isPossible(row)) return false
    try {
      await this.#call(row, wanted)
    } catch (error) {
      if (!(error instanceof TelegramRefusal) || ![400, 404].includes(error.code) || isClosedBy(error))
        throw error
      log.info({ outgoing: row.id, reason: error.description }, 'no draft: the text grows as a message')
      this.#forbid(row.chat_id, error.code)
      return false
    }
    limiter.passed()
    const now = performance.now()
    this.#live.set(row.id, { row, wanted, writtenAt: now, shownAt: now })
    await rows.markPassed(row, true)
    return true
  }

  /** A text does not grow any more. */
  end(id: number): void {
    this.#live.delete(id)
  }

  /** Those that Telegram would forget now; each is shown again by the function that comes with it. */
  *fading(): Iterable<[row: MessageRow, renew: () => Promise<void>]> {
    const now = performance.now()
    for (const [id, live] of this.#live) {
      if (now - live.writtenAt > abandonedAfter) this.#live.delete(id)
      else if (now - live.shownAt > renewAfter) {
        yield [
          live.row,
          async () => {
            live.shownAt = performance.now()
            await this.#call(live.row, live.wanted)
          },
        ]
      }
    }
  }

  /** One that is a message already grows as one. */
  #isPossible({ chat_id, message_id, sending_after }: MessageRow): boolean {
    const isNew = message_id === null && sending_after === null
    return this.#isKnown && isNew && chat_id > 0 && !this.#without.has(chat_id)
  }

  async #call({ id, chat_id, thread_id, reply_to }: MessageRow, { pieces, options }: Wanted): Promise<void> {
    const words = pieces[0]?.[0]?.words
    if (words) await showDraft(this.#parts.api, { chat_id, thread_id, reply_to, options }, id, words)
  }

  #forbid(chatId: number, code: number): void {
    if (code === 404) this.#isKnown = false
    this.#without.add(chatId)
    if (this.#without.size > maxChats) this.#without.delete(Number(this.#without.values().next().value))
  }
}
