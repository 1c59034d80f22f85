import type { Database } from '../core/database/database.ts'
import { monotonicNow } from '../core/monotonic-time.ts'
import type { MessageRow, NewMessage, Revision } from './message.ts'

/** Milliseconds by which the end of a job, most often a link, goes before words that only say how it goes. */
const endsFirst = 30_000

/** Attempts, the last ones 5 min apart, after which a message no longer holds back those behind it in its chat. */
const maxInTheWay = 10

/**
 * One bot's messages: each row holds the text that the chat must show, its revision, and the revision that Telegram
 * has taken. A row waits while the two differ and no failure ends it.
 */
export class MessageRows {
  readonly #database: Database
  readonly #botId: number

  constructor(database: Database, botId: number) {
    this.#database = database
    this.#botId = botId
  }

  /** Returns the id of the row: a new one, or that of its key. */
  async write({
    botId = this.#botId,
    chatId,
    threadId,
    replyTo,
    text,
    keyboard,
    topic,
    key,
    every = 0,
  }: NewMessage): Promise<number> {
    const [row] = await this.#database.query<{ id: number }>(
      `INSERT INTO messages (bot_id, chat_id, thread_id, reply_to, text, keyboard, topic, message_key, due_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
       ON CONFLICT (bot_id, message_key) WHERE message_key IS NOT NULL DO UPDATE SET
         text = $5, keyboard = $6, topic = $7, revision = messages.revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN messages.sent_revision < messages.revision OR messages.due_at > $9 + $11
           THEN messages.due_at ELSE $9 + $11 END
       RETURNING id`,
      botId,
      chatId,
      threadId,
      replyTo,
      text,
      keyboard && JSON.stringify(keyboard),
      topic,
      key,
      monotonicNow(),
      Date.now(),
      every,
    )
    return (row as { id: number }).id
  }

  /** Makes the message with this key if it is not there. Returns whether it was made. */
  async begin({ chatId, threadId, replyTo, text, key }: NewMessage): Promise<boolean> {
    const rows = await this.#database.query(
      `INSERT INTO messages (bot_id, chat_id, thread_id, reply_to, text, message_key, due_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (bot_id, message_key) WHERE message_key IS NOT NULL DO NOTHING RETURNING id`,
      this.#botId,
      chatId,
      threadId,
      replyTo,
      text,
      key,
      monotonicNow(),
      Date.now(),
    )
    return rows.length > 0
  }

  /** A text that waits keeps its place in the line. Returns whether the row is there. */
  async revise(id: number, { text, keyboard, topic }: Revision): Promise<boolean> {
    const rows = await this.#database.query(
      `UPDATE messages SET text = $2, keyboard = $3, topic = $5, revision = revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN due_at > $4 OR sent_revision < revision THEN due_at ELSE $4 END
       WHERE id = $1 RETURNING id`,
      id,
      text,
      keyboard && JSON.stringify(keyboard),
      monotonicNow(),
      topic,
    )
    return rows.length > 0
  }

  /**
   * The oldest waiting one of each chat, of those whose time has come: `most` ends of jobs and as many others, in the order
   * in which they should go. An older one that waits holds the newer back, but for one that the chat shows already and that
   * waits for its next edit, and one that was refused for half an hour.
   */
  async due(most: number): Promise<{ id: number; chat_id: number }[]> {
    const [ends, words] = await Promise.all(
      ['topic IS NOT NULL', 'topic IS NULL'].map((which) =>
        this.#database.query<{ id: number; chat_id: number; due_at: number }>(
          `SELECT id, chat_id, due_at FROM messages AS m WHERE bot_id = $1 AND due_at <= $2 AND ${which}
             AND sent_revision < revision AND failure IS NULL AND NOT EXISTS (
               SELECT 1 FROM messages AS older WHERE older.bot_id = m.bot_id AND older.chat_id = m.chat_id
                 AND older.id < m.id AND older.sent_revision < older.revision AND older.failure IS NULL
                 AND (older.message_id IS NULL OR older.due_at <= $2) AND (older.attempts < $3 OR older.due_at <= $2)
             ) ORDER BY due_at, id LIMIT $4`,
          this.#botId,
          monotonicNow(),
          maxInTheWay,
          most,
        ),
      ),
    )
    const all = [...(ends ?? []).map((row) => ({ ...row, due_at: row.due_at - endsFirst })), ...(words ?? [])]
    return all.sort((a, b) => a.due_at - b.due_at || a.id - b.id).map(({ id, chat_id }) => ({ id, chat_id }))
  }

  async find(id: number): Promise<MessageRow | undefined> {
    const [row] = await this.#database.query<MessageRow>('SELECT * FROM messages WHERE id = $1', id)
    return row
  }

  async findByKey(key: string): Promise<MessageRow | undefined> {
    const [row] = await this.#database.query<MessageRow>(
      'SELECT * FROM messages WHERE bot_id = $1 AND message_key = $2',
      this.#botId,
      key,
    )
    return row
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
    return new Set(rows.map(({ id }) => id))
  }

  async markSending(id: number, after: number): Promise<void> {
    await this.#database.query('UPDATE messages SET sending_after = $2 WHERE id = $1', id, after)
  }

  /** Telegram shows this revision, under `messageId`. */
  async markSent({ id, revision }: MessageRow, messageId: number): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET message_id = $2, sent_revision = $3, attempts = 0, sending_after = NULL WHERE id = $1`,
      id,
      messageId,
      revision,
    )
  }

  /** The chat has lost the message: it is to be sent again. */
  async markGone(id: number): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET message_id = NULL, sending_after = NULL, attempts = 0 WHERE id = $1',
      id,
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

  /** Its topic has refused it: it is sent to the group, where everyone can read it as well. */
  async leaveTopic(id: number): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET thread_id = NULL, reply_to = NULL, message_id = NULL, sending_after = NULL WHERE id = $1',
      id,
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
      `UPDATE messages SET chat_id = $3, message_id = NULL, reply_to = NULL, thread_id = NULL, sending_after = NULL
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

  /** Moves the times that are still to come by so many milliseconds; also of what is delivered, and may be revised. */
  async shiftTimes(by: number): Promise<void> {
    const sql = 'UPDATE messages SET due_at = due_at + $1 WHERE due_at > $2'
    await this.#database.query(sql, by, Date.now() - Math.max(0, by))
  }

  /** Removes rows that wait for nothing; see `Messages.forget`. */
  async forget(before: number, limit: number): Promise<number> {
    // The newest row stays: SQLite would give its id to the next one, and who knows a row by its id would meet another.
    const rows = await this.#database.query(
      `DELETE FROM messages WHERE id IN (
         SELECT id FROM messages WHERE created_at < $1 AND (sent_revision >= revision OR failure IS NOT NULL)
           AND id < (SELECT MAX(id) FROM messages)
         ORDER BY created_at LIMIT $2
       ) RETURNING id`,
      before,
      limit,
    )
    return rows.length
  }
}
