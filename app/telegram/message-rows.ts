import type { Database } from '../core/database.ts'
import type { Outgoing } from './outgoing.ts'

export interface Button {
  text: string
  callback_data: string
}

export interface NewMessage {
  chatId: number
  /** The message it answers; it is sent as well when that one is gone. */
  replyTo?: number
  /** Telegram's HTML; see `escapeHtml`. */
  text: string
  keyboard?: Button[][]
}

/** A text that a chat must show from now on. */
export interface Revision {
  text: string
  keyboard?: Button[][]
  /** Names what this text is about; whoever listens by `whenSent` is told how its delivery goes. */
  topic?: string
}

export interface MessageRow extends Record<string, unknown>, Outgoing {
  id: number
  /** The last id in use when a sending began whose end is not recorded; 0 when none was known. */
  sending_after: number | null
  revision: number
  topic: string | null
  attempts: number
}

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

  /** Returns the id of the new row. */
  async add({ chatId, replyTo, text, keyboard }: NewMessage): Promise<number> {
    const [row] = await this.#database.query<{ id: number }>(
      `INSERT INTO messages (bot_id, chat_id, reply_to, text, keyboard, due_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id`,
      this.#botId,
      chatId,
      replyTo,
      text,
      keyboard && JSON.stringify(keyboard),
      Date.now(),
    )
    return (row as { id: number }).id
  }

  /** Returns whether the row is there. */
  async revise(id: number, { text, keyboard, topic }: Revision): Promise<boolean> {
    const rows = await this.#database.query(
      `UPDATE messages SET text = $2, keyboard = $3, topic = $5, revision = revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN due_at > $4 THEN due_at ELSE $4 END
       WHERE id = $1 RETURNING id`,
      id,
      text,
      keyboard && JSON.stringify(keyboard),
      Date.now(),
      topic,
    )
    return rows.length > 0
  }

  /** The oldest waiting one of each chat, of those whose time has come: an older one that waits holds the newer back. */
  async due(): Promise<{ id: number; chat_id: number }[]> {
    return await this.#database.query(
      `SELECT id, chat_id FROM messages AS m WHERE bot_id = $1 AND due_at <= $2
         AND sent_revision < revision AND failure IS NULL AND NOT EXISTS (
           SELECT 1 FROM messages AS older WHERE older.bot_id = m.bot_id AND older.chat_id = m.chat_id
             AND older.id < m.id AND older.sent_revision < older.revision AND older.failure IS NULL
         ) ORDER BY due_at, id LIMIT 500`,
      this.#botId,
      Date.now(),
    )
  }

  async find(id: number): Promise<MessageRow | undefined> {
    const [row] = await this.#database.query<MessageRow>('SELECT * FROM messages WHERE id = $1', id)
    return row
  }

  /** A message whose chat shows its newest text. */
  async findShown(id: number): Promise<MessageRow | undefined> {
    const [row] = await this.#database.query<MessageRow>(
      `SELECT * FROM messages WHERE id = $1 AND sent_revision = revision AND failure IS NULL
         AND message_id IS NOT NULL`,
      id,
    )
    return row
  }

  /** Telegram's ids of this chat's messages after the one that was the last when the sending of `row` began. */
  async idsAfter({ chat_id, sending_after }: MessageRow): Promise<Set<number>> {
    const rows = await this.#database.query<{ message_id: number }>(
      'SELECT message_id FROM messages WHERE bot_id = $1 AND chat_id = $2 AND message_id > $3',
      this.#botId,
      chat_id,
      sending_after,
    )
    return new Set(rows.map(({ message_id }) => message_id))
  }

  async sending(id: number, after: number): Promise<void> {
    await this.#database.query('UPDATE messages SET sending_after = $2 WHERE id = $1', id, after)
  }

  /** Telegram shows this revision, under `messageId`. */
  async taken({ id, revision }: MessageRow, messageId: number): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET message_id = $2, sent_revision = $3, attempts = 0, sending_after = NULL WHERE id = $1`,
      id,
      messageId,
      revision,
    )
  }

  /** The chat has lost the message: it is to be sent again. */
  async gone(id: number): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET message_id = NULL, sending_after = NULL, attempts = 0 WHERE id = $1',
      id,
    )
  }

  /** Telegram will never take it. */
  async failed(id: number, reason: string): Promise<void> {
    await this.#database.query('UPDATE messages SET failure = $2 WHERE id = $1', id, reason)
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
      Date.now() + wait,
      Number(isUnsent),
    )
  }

  /** Moves the times that are still to come by so many milliseconds; also of what is delivered, and may be revised. */
  async shiftTimes(by: number): Promise<void> {
    await this.#database.query('UPDATE messages SET due_at = due_at + $1 WHERE due_at > $2', by, Date.now())
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
