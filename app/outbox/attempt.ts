import { stat } from 'node:fs/promises'
import type { BotApi } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import { adopt, edit, refused, remove, send } from './calls.ts'
import { messagesIn } from './content.ts'
import type { MessageRow } from './message.ts'
import type { Spot } from './payloads.ts'
import {
  canBecome,
  type Item,
  idsIn,
  marksOf,
  type Piece,
  type ShownPiece,
  shownOf,
  unknownId,
  type Wanted,
} from './pieces.ts'
import type { SeenIds } from './seen-ids.ts'
import type { SendRateLimiter } from './send-rate-limiter.ts'
import type { SendingRows } from './sending-rows.ts'

interface Parts {
  api: BotApi
  database: Database
  rows: SendingRows
  limiter: SendRateLimiter
  /** Ends the waiting between two calls. */
  signal: AbortSignal
  ids: SeenIds
  /** Told of the first call that sends something, within the transaction that says so. */
  started: () => Promise<void>
}

/** Refusals of an edit whose message is not there any more; the last one is of Telegram's own servers. */
const goneMessage = /message to edit not found|message can't be edited|MESSAGE_ID_INVALID/

/** Bytes from which on a transfer may go on at the server when its call has ended. */
const long = 20_000_000

/** Attempts, the last ones minutes apart, in which such a transfer is looked for before it is begun again. */
const patience = 5

/** The server may still be sending the bytes: it would send them twice. */
export class MayBeSending extends Error {
  override name = 'MayBeSending'
}

/**
 * One attempt to bring a chat from what it shows of a message to what it must show: what is too much goes, what is
 * there is edited, what is missing is sent, one after the other. Each that is sent is recorded before the next one, so
 * a crash repeats edits, which harms nobody, and looks for the one that was on its way.
 */
export class Attempt {
  readonly #parts: Parts
  readonly #row: MessageRow
  readonly #wanted: Wanted
  readonly #spot: Spot
  /** What the chat shows now. */
  #shown: ShownPiece[]
  #calls = 0

  constructor(parts: Parts, row: MessageRow, wanted: Wanted) {
    this.#parts = parts
    this.#row = row
    this.#wanted = wanted
    const { chat_id, thread_id, reply_to } = row
    this.#spot = { chat_id, thread_id, reply_to, options: wanted.options }
    this.#shown = shownOf(row)
  }

  /** Who calls has counted the first call. Returns what the chat shows in the end. */
  async run(): Promise<ShownPiece[]> {
    const { pieces } = this.#wanted
    const target = this.#row.withdrawn === 1 ? [] : pieces
    await this.#findBegun()
    await this.#removeFrom(this.#fitting(target))
    for (let at = 0; at < this.#shown.length; at++) {
      // What follows one that is gone would stand before it.
      if (!(await this.#edit(at, target[at] as Piece))) await this.#removeFrom(at)
    }
    for (const piece of target.slice(this.#shown.length)) await this.#send(piece)
    return this.#shown
  }

  /** What was on its way in a crash, or when an answer was lost. */
  async #findBegun(): Promise<void> {
    const { api, rows, ids, limiter } = this.#parts
    const { chat_id, sending_after: after, kind, attempts } = this.#row
    const piece = this.#wanted.pieces[this.#shown.length]
    // After an id that nobody knew, every old message of the bot could be taken for this one.
    if (!after || !piece) return
    const known = (await rows.idsAfter(this.#row)).union(new Set(ids.heardIn(chat_id)))
    const found = await adopt(api, chat_id, piece, after, known, () => this.#turn())
    if (found) {
      this.#shown.push(found)
      limiter.passed()
    } else if (kind === 'upload' && attempts < patience && (await isLong(piece))) {
      throw new MayBeSending('it may still be on its way to Telegram')
    }
  }

  /** How many pieces can become what is wanted by edits. */
  #fitting(target: Piece[]): number {
    const misfit = this.#shown.findIndex((piece, at) => !target[at] || !canBecome(piece, target[at]))
    return misfit < 0 ? this.#shown.length : misfit
  }

  async #removeFrom(at: number): Promise<void> {
    const ids = idsIn(this.#shown.slice(at))
    if (ids.length > 0) {
      await this.#turn()
      await remove(this.#parts.api, this.#row.chat_id, ids)
    }
    this.#shown = this.#shown.slice(0, at)
  }

  /**
   * Returns whether the piece is there: an album is as long as one of its messages is, and what it has lost is not sent
   * again, for which the others would have to go as well.
   */
  async #edit(at: number, wanted: Piece): Promise<boolean> {
    const piece = this.#shown[at] ?? []
    let isThere = false
    for (const [index, item] of piece.entries()) {
      const goal = wanted[index] as Item
      const marks = marksOf(goal)
      const isSame = item.words === marks.words && item.file === marks.file
      if (isSame || item.id === unknownId) {
        isThere = true
        continue
      }
      await this.#turn()
      try {
        piece[index] = await edit(this.#parts.api, this.#row.chat_id, goal, item)
        isThere = true
      } catch (error) {
        if (!refused(error, goneMessage)) throw error
      }
    }
    if (!isThere) this.#shown[at] = []
    return isThere
  }

  /**
   * Says in the table that something is being sent, and only then sends it: a crash or a lost answer leaves the mark,
   * and the next attempt looks for it first. A database that takes no mark sends nothing.
   */
  async #send(piece: Piece): Promise<void> {
    const { api, database, rows, ids, started } = this.#parts
    const { chat_id, reply_to } = this.#row
    await this.#turn(piece.length)
    const isFirst = this.#shown.length === 0
    await database.transaction(async () => {
      await rows.markSending(this.#row, this.#shown, Math.max(reply_to ?? 0, ids.last(chat_id)))
      if (isFirst) await started()
    })
    // As the table says now: it is not an edit.
    if (isFirst) this.#row.message_id = null
    const sent = await send(api, { ...this.#spot, ...(!isFirst && { reply_to: null }) }, piece)
    for (const { id } of sent) ids.seen(chat_id, id)
    this.#shown.push(sent)
  }

  async #turn(messages = 1): Promise<void> {
    const { limiter, signal } = this.#parts
    const uncounted = messages - (this.#calls++ > 0 ? 0 : messagesIn(this.#row))
    if (uncounted > 0) await limiter.turn(this.#row.chat_id, signal, uncounted)
  }
}

/** One that is gone is not on its way. */
async function isLong(piece: Piece): Promise<boolean> {
  for (const { media } of piece) {
    if (!media || !('path' in media.file)) continue
    const { size } = await stat(media.file.path).catch(() => ({ size: 0 }))
    if (size > long) return true
  }
  return false
}
