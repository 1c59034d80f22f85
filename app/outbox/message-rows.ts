import { monotonicNow } from '../core/monotonic-time.ts'
import { encodeContent, isUpload, type Words } from './content.ts'
import type {
  GrowingMessage,
  MessageRow,
  NewMessage,
  OutboxDatabase,
  Revision,
  RowKind,
  SendingOptions,
  Showing,
} from './message.ts'

/**
 * Messages as they are written, of all bots: each row holds the text that the chat must show, its revision, and the
 * revision that Telegram has taken. A row waits while the two differ and no failure ends it.
 */
export class MessageRows {
  readonly #database: OutboxDatabase

  constructor(database: OutboxDatabase) {
    this.#database = database
  }

  /** Returns the id of the row: a new one, or that of its key. */
  async write(message: NewMessage & { botId: number }): Promise<number> {
    const { botId, chatId, threadId, replyTo, keyboard, topic, key, every = 0 } = message
    const { text, content, kind } = columnsOf(message)
    const [row] = await this.#database.query<{ id: number }>(
      `INSERT INTO messages (bot_id, chat_id, thread_id, reply_to, text, keyboard, topic, message_key, due_at, created_at,
         content, options, kind)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12, $13, $14)
       ON CONFLICT (bot_id, message_key) WHERE message_key IS NOT NULL DO UPDATE SET
         text = $5, keyboard = $6, topic = $7, content = $12, options = $13, kind = $14, withdrawn = 0, progress = NULL,
         revision = messages.revision + 1, attempts = 0, failure = NULL,
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
      content,
      optionsOf(message),
      kind,
    )
    return (row as { id: number }).id
  }

  /** Makes the message with this key if it is not there. Returns whether it was made. */
  async begin({
    botId,
    chatId,
    threadId,
    replyTo,
    text,
    key,
  }: NewMessage & { botId: number }): Promise<boolean> {
    const rows = await this.#database.query(
      `INSERT INTO messages (bot_id, chat_id, thread_id, reply_to, text, message_key, due_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (bot_id, message_key) WHERE message_key IS NOT NULL DO NOTHING RETURNING id`,
      botId,
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

  /** Writes how far a message has grown, unless it has its last text. */
  async grow(message: GrowingMessage & { botId: number }): Promise<void> {
    const { botId, chatId, threadId, replyTo, key } = message
    const words: Words =
      'html' in message ? { html: message.html } : { text: message.text, entities: message.entities }
    await this.#database.query(
      `INSERT INTO messages (bot_id, chat_id, thread_id, reply_to, text, message_key, due_at, created_at, content, options,
         kind)
       VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, $9, 'live')
       ON CONFLICT (bot_id, message_key) WHERE message_key IS NOT NULL DO UPDATE SET
         content = $8, revision = messages.revision + 1,
         due_at = CASE WHEN messages.due_at > $6 THEN messages.due_at ELSE $6 END
       WHERE messages.kind = 'live' AND messages.withdrawn = 0`,
      botId,
      chatId,
      threadId,
      replyTo,
      key,
      monotonicNow(),
      Date.now(),
      encodeContent({ type: 'parts', parts: [words] }),
      optionsOf(message),
    )
  }

  /** What waits keeps its place in the line. Returns the bot that sends it; undefined when the row is not there. */
  async revise(id: number, revision: Revision): Promise<number | undefined> {
    const { keyboard, topic } = revision
    const { text, content, kind } = columnsOf(revision)
    const [row] = await this.#database.query<{ bot_id: number }>(
      `UPDATE messages SET text = $2, keyboard = $3, topic = $5, content = $6, kind = $7, withdrawn = 0, progress = NULL,
         revision = revision + 1, attempts = 0, failure = NULL,
         due_at = CASE WHEN due_at > $4 OR sent_revision < revision THEN due_at ELSE $4 END
       WHERE id = $1 RETURNING bot_id`,
      id,
      text,
      keyboard && JSON.stringify(keyboard),
      monotonicNow(),
      topic,
      content,
      kind,
    )
    return row?.bot_id
  }

  /**
   * The chat must show it no more. What was never begun is settled by that; what may have been sent keeps what it holds,
   * by which it is found.
   */
  async withdraw(botId: number, key: string): Promise<void> {
    await this.#database.query(
      `UPDATE messages SET withdrawn = 1, topic = NULL, progress = NULL, revision = revision + 1, attempts = 0,
         failure = NULL, sent_revision = CASE WHEN message_id IS NULL AND sending_after IS NULL THEN revision + 1
           ELSE sent_revision END,
         due_at = CASE WHEN due_at > $3 THEN due_at ELSE $3 END
       WHERE bot_id = $1 AND message_key = $2 AND withdrawn = 0`,
      botId,
      key,
      monotonicNow(),
    )
  }

  async findByKey(botId: number, key: string): Promise<MessageRow | undefined> {
    const [row] = await this.#database.query<MessageRow>(
      'SELECT * FROM messages WHERE bot_id = $1 AND message_key = $2',
      botId,
      key,
    )
    return row
  }

  /** Leaves a text for the role that sends, which shows it when it can; nothing is lost when it never does. */
  async leaveProgress(id: number, text: string): Promise<void> {
    await this.#database.query(
      'UPDATE messages SET progress = $2 WHERE id = $1 AND sent_revision = revision',
      id,
      text,
    )
  }

  /** Moves the times that are still to come by so many milliseconds; also of what is delivered, and may be revised. */
  async shiftTimes(by: number): Promise<void> {
    const sql = 'UPDATE messages SET due_at = due_at + $1 WHERE due_at > $2'
    await this.#database.query(sql, by, Date.now() - Math.max(0, by))
  }

  /** Removes rows that wait for nothing; see `Outbox.forget`. */
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

  /** Forgets chats that were closed before a moment: there is nothing left to tell them. */
  async forgetClosedChats(before: number): Promise<void> {
    await this.#database.query('DELETE FROM closed_chats WHERE closed_at < $1', before)
  }
}

/** What a message shows, as the columns have it. */
function columnsOf({ text = '', content }: Showing): { text: string; content?: string; kind?: RowKind } {
  if (!content) return { text }
  return { text: '', content: encodeContent(content), ...(isUpload(content) && { kind: 'upload' }) }
}

function optionsOf({ silent, protect, quote, preview }: SendingOptions): string | undefined {
  const options = JSON.stringify({ silent, protect, quote, preview })
  return options === '{}' ? undefined : options
}
