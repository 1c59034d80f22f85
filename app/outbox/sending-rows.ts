import type { Database } from '../core/database/database.ts'
import type { Read } from '../core/database/reader.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { MessageRow, RowKind, SendingOptions } from './message.ts'
import { deliveredOf, idsIn, type ShownPiece, shownOf, unknownContent } from './pieces.ts'

/** Milliseconds by which the end of a job, most often a link, goes before words that only say how it goes. */
const endsFirst = 30_000

/** Attempts, the last ones 5 min apart, after which a message no longer holds back those behind it in its chat. */
const maxInTheWay = 10

/** A message whose time has come. */
export interface DueRow extends Record<string, unknown> {
  id: number
  chat_id: number
  kind: RowKind | null
  /** Of an upload alone. */
  content: string | null
}

/** The messages of one bot as they are sent: which is due, and what has become of it. */
export class SendingRows {
  readonly #database: Database
  readonly #botId: number
  readonly #find: Read<MessageRow>

  constructor(database: Database, botId: number) {
    this.#database = database
    this.#botId = botId
    this.#find = database.prepare<MessageRow>('SELECT * FROM messages WHERE id = ?')
  }

  /**
   * The oldest waiting one of each chat, of those whose time has come: `most` ends of jobs and as many others, in the order
   * in which they should go. An older one that waits holds the newer back, but for one that the chat shows already and that
   * waits for its next edit, one that was refused for half an hour, one whose bytes go to Telegram for minutes, and one that still grows.
   * @param uploads whether such ones may begin
   */
  async due(most: number, uploads: boolean): Promise<DueRow[]> {
    const oldest = (which: string, first: number) =>
      `SELECT * FROM (
         SELECT id, chat_id, kind, CASE WHEN kind = 'upload' THEN content END AS content, due_at - ${first} AS place FROM messages AS m
         WHERE bot_id = $1 AND due_at <= $2 AND topic ${which}
           AND sent_revision < revision AND failure IS NULL
           AND ($5 = 1 OR kind IS NULL OR kind <> 'upload') AND NOT EXISTS (
             SELECT 1 FROM messages AS older WHERE older.bot_id = m.bot_id AND older.chat_id = m.chat_id
               AND older.id < m.id AND older.sent_revision < older.revision AND older.failure IS NULL
               AND older.kind IS NULL
               AND (older.message_id IS NULL OR older.due_at <= $2) AND (older.attempts < $3 OR older.due_at <= $2)
           ) ORDER BY due_at, id LIMIT $4) AS oldest`
    return await this.#database.query<DueRow>(
      `SELECT id, chat_id, kind, content FROM (${oldest('IS NOT NULL', endsFirst)} UNION ALL ${oldest('IS NULL', 0)}) AS due
       ORDER BY place, id`,
      this.#botId,
      monotonicNow(),
      maxInTheWay,
      most,
      Number(uploads),
    )
  }

  /** As it was committed: not for use within a transaction. */
  async find(id: number): Promise<MessageRow | undefined> {
    return await this.#find(id)
  }

  /**
   * Telegram's ids after the one that was the last when the sending of `row` began, of other messages and of those that
   * they answer. All private chats share one sequence.
   */
  async idsAfter({ chat_id, sending_after }: MessageRow): Promise<Set<number>> {
    const there = chat_id > 0 ? 'chat_id > 0 AND CAST($2 AS BIGINT) > 0' : 'chat_id = $2'
    const rows = await this.#database.query<{ id: number }>(
      `SELECT message_id AS id FROM messages WHERE bot_id = $1 AND ${there} AND message_id > $3
       UNION SELECT reply_to FROM messages WHERE bot_id = $1 AND ${there} AND reply_to > $3`,
      this.#botId,
      chat_id,
      sending_after,
    )
    const several = await this.#database.query<MessageRow>(
      `SELECT delivered FROM messages WHERE bot_id = $1 AND ${there} AND last_message_id > $3`,
      this.#botId,
      chat_id,
      sending_after,
    )
    const theirs = several.flatMap((row) => idsIn(shownOf(row)))
    return new Set([...rows.map(({ id }) => id), ...theirs])
  }

  /** One more piece is being sent, besides what the chat shows of it already. */
  async markSending({ id }: MessageRow, shown: ShownPiece[], after: number): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET sending_after = $2, message_id = $3, delivered = $4, last_message_id = $5 WHERE id = $1`,
      id,
      after,
      ...idsOf(shown),
    )
  }

  /** Telegram shows this revision. */
  async markSent({ id, revision }: MessageRow, shown: ShownPiece[]): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET sent_revision = $2, attempts = 0, sending_after = NULL, message_id = $3, delivered = $4,
         last_message_id = $5 WHERE id = $1`,
      id,
      revision,
      ...idsOf(shown),
    )
  }

  /**
   * Nothing more is to be done for this revision of a text that grows: its chat has seen it, or never will.
   * @param isUnsent whether Telegram has certainly not made a message of it
   */
  async markPassed({ id, revision }: MessageRow, isUnsent: boolean): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET sent_revision = $2, attempts = 0,
         sending_after = CASE WHEN $3 = 1 THEN NULL ELSE sending_after END WHERE id = $1`,
      id,
      revision,
      Number(isUnsent),
    )
  }

  /**
   * Telegram will not take this revision; a newer one is tried in its turn. Returns whether there is none.
   * @param isUnsent whether Telegram has certainly not taken it
   */
  async markFailed({ id, revision }: MessageRow, reason: string, isUnsent: boolean): Promise<boolean> {
    const [row] = await this.#database.query<{ failure: string | null }>(
      `UPDATE messages SET failure = CASE WHEN revision = $2 THEN $3 END,
         sending_after = CASE WHEN $4 = 1 THEN NULL ELSE sending_after END WHERE id = $1 RETURNING failure`,
      id,
      revision,
      reason,
      Number(isUnsent),
    )
    return row?.failure != null
  }

  /**
   * Its topic has refused it: it is sent to the group, where everyone can read it as well.
   * @param isUnsent whether it is only about what is still to be sent; else what is there can be edited no more
   */
  async leaveTopic(id: number, isUnsent: boolean): Promise<void> {
    const lost = isUnsent ? '' : ', message_id = NULL, delivered = NULL, last_message_id = NULL'
    await this.#database.query(
      `UPDATE messages SET thread_id = NULL, reply_to = NULL, sending_after = NULL${lost} WHERE id = $1`,
      id,
    )
  }

  /** Telegram has refused how it was to be sent: it is sent like this. */
  async setOptions(id: number, options: SendingOptions): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET options = $2, sending_after = NULL WHERE id = $1',
      id,
      JSON.stringify(options),
    )
  }

  /** Tries what an older release could not read and gave up. */
  async reviveUnknown(): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET failure = NULL, attempts = 0, due_at = $2
       WHERE bot_id = $1 AND failure IS NOT NULL AND content IS NOT NULL AND sent_revision < revision
         AND (failure = $3 OR failure LIKE '%message text is empty%')`,
      this.#botId,
      monotonicNow(),
      unknownContent,
    )
  }

  /** Tries again what a chat has refused: what is about a file for long, a mere answer or notice for a day. */
  async revive(chatId: number, since: { files: number; words: number }): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET failure = NULL, attempts = 0, due_at = $3
       WHERE bot_id = $1 AND chat_id = $2 AND failure IS NOT NULL AND sent_revision < revision
         AND created_at > CASE WHEN message_key IS NULL THEN CAST($4 AS BIGINT) ELSE CAST($5 AS BIGINT) END`,
      this.#botId,
      chatId,
      monotonicNow(),
      since.words,
      since.files,
    )
  }

  /** A group has another id now, and its messages have other ids there: those that are to change are sent anew. */
  async move(from: number, to: number): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET chat_id = $3, message_id = NULL, delivered = NULL, last_message_id = NULL, reply_to = NULL,
         thread_id = NULL, sending_after = NULL
       WHERE bot_id = $1 AND chat_id = $2`,
      this.#botId,
      from,
      to,
    )
  }

  /**
   * Tries again in `wait` milliseconds.
   * @param isUnsent whether Telegram has certainly not taken it
   */
  async postpone(id: number, wait: number, isUnsent: boolean): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET attempts = attempts + 1, due_at = $2,
         sending_after = CASE WHEN $3 = 1 THEN NULL ELSE sending_after END WHERE id = $1`,
      id,
      monotonicNow() + wait,
      Number(isUnsent),
    )
  }

  /** Texts that other processes have left to be shown. */
  async progress(most: number): Promise<MessageRow[]> {
    return await this.#database.query<MessageRow>(
      'SELECT * FROM messages WHERE bot_id = $1 AND progress IS NOT NULL LIMIT $2',
      this.#botId,
      most,
    )
  }

  /** Takes such a text out, but not a newer one. */
  async takeProgress({ id, progress }: MessageRow): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET progress = NULL WHERE id = $1 AND progress = $2',
      id,
      progress,
    )
  }
}

/** As the columns `message_id`, `delivered` and `last_message_id` have it. */
function idsOf(shown: ShownPiece[]): [number | undefined, string | null, number | undefined] {
  const ids = idsIn(shown)
  return [ids[0], deliveredOf(shown), ids.length > 1 ? Math.max(...ids) : undefined]
}
