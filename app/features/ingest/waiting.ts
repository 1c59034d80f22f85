import { randomUUID } from 'node:crypto'
import type { BotContext } from '../../context.ts'
import type { Place } from '../../core/bot-api.ts'
import { monotonicNow } from '../../core/monotonic-time.ts'
import { fileKinds, fileRates } from './kinds.ts'
import { moveWithChats } from './move-notices.ts'
import { readPayload } from './payload.ts'
import type { IngestSettings } from './settings.ts'
import { type Limits, noneWaits, waiting } from './texts.ts'

/** Milliseconds between two edits of a message that counts files. */
const every = 5000

/** Notices that one look brings up to date. */
const maxNotices = 200

/** Jobs of a kind whose messages are recalled at a start; no more ids of others are remembered in private chats. */
const maxRecalled = 5000

interface Notice extends Record<string, unknown> {
  id: string
  bot_id: number
  user_id: number
  chat_id: number
  thread_id: number | null
  files: number
  said: string | null
}

/**
 * Files that begin later than they came, because of the limits. They have no message of their own until they begin or
 * end; one message for each user in a chat, or in each topic of it, tells how many wait and how long, is kept up to date, and says at last
 * that none waits any more.
 */
export class Waiting {
  readonly #context: BotContext
  readonly #settings: IngestSettings

  constructor(context: BotContext, settings: IngestSettings) {
    this.#context = context
    this.#settings = settings
    moveWithChats(context, 'waiting_notices')
  }

  /**
   * Says which messages hold files that have no message of ours yet. One of ours that was on its way in a crash is looked
   * for among the next few ids that nobody else has: behind a burst it would not be found, sent again, and the first one
   * would stand for ever. Call it before messages are sent.
   */
  async recall(): Promise<void> {
    const { jobs, telegram, sender } = this.#context
    for (const kind of fileKinds) {
      for (const job of await jobs.active(kind, maxRecalled)) {
        const { replyTo, chatId } = readPayload(job)?.place ?? {}
        // In a group that has become a supergroup the message that asked has another id.
        if (job.botId === telegram.id && chatId === job.chatId && replyTo !== undefined) {
          sender.heard(chatId, replyTo)
        }
      }
    }
  }

  /** Counts a file that waits until `slotAt`. Call it in the transaction that makes its job. */
  async add(
    jobId: number,
    userId: number,
    { chatId, threadId, replyTo }: Place,
    slotAt: number,
  ): Promise<void> {
    await this.#alone(() => this.#count(jobId, userId, { chatId, threadId, replyTo }, slotAt))
  }

  async #count(
    jobId: number,
    userId: number,
    { chatId, threadId, replyTo }: Place,
    slotAt: number,
  ): Promise<void> {
    const { database, telegram } = this.#context
    const of = [telegram.id, chatId, userId, threadId]
    const counted = `UPDATE waiting_notices SET files = files + 1
      WHERE bot_id = $1 AND chat_id = $2 AND user_id = $3 AND thread_id IS NOT DISTINCT FROM CAST($4 AS BIGINT) RETURNING *`
    const begun = `INSERT INTO waiting_notices (bot_id, chat_id, user_id, thread_id, id, files)
      VALUES ($1, $2, $3, $4, $5, 1) RETURNING *`
    const [known] = await database.query<Notice>(counted, ...of)
    const [notice] = known ? [known] : await database.query<Notice>(begun, ...of, randomUUID())
    if (!notice) return
    const sql = 'INSERT INTO waiting_files (job_id, notice_id, slot_at) VALUES ($1, $2, $3)'
    await database.query(sql, jobId, notice.id, slotAt)
    await this.#say(notice, replyTo)
  }

  /** A file waits no more. Call it in the transaction in which it begins or ends; without effect when it has not waited. */
  async leave(jobId: number): Promise<void> {
    const { database } = this.#context
    const [left] = await database.query<{ notice_id: string }>(
      'DELETE FROM waiting_files WHERE job_id = $1 RETURNING notice_id',
      jobId,
    )
    if (!left) return
    await this.#alone(async () => {
      const sql = 'SELECT * FROM waiting_notices WHERE id = $1'
      const [notice] = await database.query<Notice>(sql, left.notice_id)
      if (notice) await this.#say(notice)
    })
  }

  /** Brings the times in the messages up to date, as while an hour's limit holds all of them back. */
  async refresh(): Promise<void> {
    const { database, telegram } = this.#context
    const sql = 'SELECT * FROM waiting_notices WHERE bot_id = $1 ORDER BY id LIMIT $2'
    for (const notice of await database.query<Notice>(sql, telegram.id, maxNotices)) {
      await this.#alone(() => this.#say(notice))
    }
  }

  /** Moves the times at which files have their turn by so many milliseconds. */
  async shiftTimes(by: number): Promise<void> {
    await this.#context.database.query('UPDATE waiting_files SET slot_at = slot_at + $1', by)
  }

  /** The last file of a notice ends it, and the next begins one: nobody else counts meanwhile. */
  async #alone(work: () => Promise<void>): Promise<void> {
    const { database } = this.#context
    await database.transaction(async () => {
      await database.serialize('waiting files')
      await work()
    })
  }

  /** @param replyTo the message that a new one answers: in a group it shows who is meant */
  async #say(notice: Notice, replyTo?: number): Promise<void> {
    const { database, outbox } = this.#context
    const { id, bot_id: botId, user_id: userId, chat_id: chatId, thread_id: threadId } = notice
    const [row] = await database.query<{ count: number; last: number | null }>(
      'SELECT COUNT(*) AS count, MAX(slot_at) AS last FROM waiting_files WHERE notice_id = $1',
      id,
    )
    const count = Number(row?.count ?? 0)
    const message = { botId, key: `waiting:${id}`, chatId, threadId: threadId ?? undefined, replyTo }
    if (count === 0) {
      const ended = await database.query('DELETE FROM waiting_notices WHERE id = $1 RETURNING id', id)
      // Said at once: the file may be done long before the next edit would be due.
      if (ended.length > 0) await outbox.post({ ...message, text: noneWaits(notice.files) })
      return
    }
    const last = Number(row?.last)
    const text = waiting(count, await this.#limitsOf(userId, chatId, last), (last - monotonicNow()) / 1000)
    if (text === notice.said) return
    await database.query('UPDATE waiting_notices SET said = $2 WHERE id = $1', id, text)
    await outbox.post({ ...message, text, every })
  }

  /** The limits for which a file has its turn at a moment. */
  async #limitsOf(userId: number, chatId: number, at: number): Promise<Limits> {
    const { minute, hour, chat } = fileRates(this.#settings, { userId, chatId })
    // A private chat is its user's own.
    if (chatId === userId) return { minute: minute.most, hour: Math.min(hour.most, chat.most) }
    const isOfChat = await this.#context.jobs.slots.heldBack(fileKinds, chat, at)
    return isOfChat ? { chat: chat.most } : { minute: minute.most, hour: hour.most }
  }
}
