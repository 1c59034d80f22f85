import type { TelegramRefusal } from '../core/bot-api.ts'
import type { Database } from '../core/database/database.ts'
import type { Log } from '../core/log.ts'
import type { SendingRows } from './sending-rows.ts'

const day = 86_400_000

/** Days for which a chat that has refused the bot can still be told of its files. */
const remembered = 30

/** Refusals with 400 that are about the chat, not about the message; 403 always is. A closed topic is General here. */
const closed =
  /chat not found|not enough rights|no (write )?access to the chat|have no rights|need administrator rights|_FORBIDDEN|_BLOCKED|BANNED|CHAT_ADMIN_REQUIRED|TOPIC_CLOSED|_RESTRICTED|CHANNEL_PRIVATE|PEER_ID_INVALID|deactivated/

/** What a chat refuses of files, and takes as words. */
const onlyFiles =
  /VOICE_MESSAGES_FORBIDDEN|CHAT_SEND_(?!PLAIN)\w+_FORBIDDEN|not enough rights to send (?!text|messages)/

/** Whether a chat refuses whatever the bot says there. */
export function isClosedBy(error: TelegramRefusal): boolean {
  if (onlyFiles.test(error.description)) return false
  return error.code === 403 || (error.code === 400 && closed.test(error.description))
}

/** What an update may tell of its chat (core.telegram.org/bots/api#update). */
export interface ChatUpdate {
  update_id: number
  message?: { chat: { id: number }; migrate_to_chat_id?: number; migrate_from_chat_id?: number }
  my_chat_member?: {
    chat: { id: number }
    new_chat_member: { status: string; can_send_messages?: boolean }
  }
}

export type MoveListener = (from: number, to: number) => Promise<void>

interface Parts {
  botId: number
  database: Database
  log: Log
  rows: SendingRows
  /** Looks for messages to send. */
  wake: () => void
}

/**
 * What is known of chats: which take nothing from the bot at present, and which have another id. A chat is closed when
 * Telegram refuses a message for its sake, and open again when the bot is let in or someone writes there; what it has
 * refused meanwhile is then sent.
 */
export class Chats {
  readonly #parts: Parts
  readonly #listeners: MoveListener[] = []
  readonly #moved = new Map<number, number>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Has `listener` told of a group that has become a supergroup, within the transaction that moves its messages. */
  whenMoved(listener: MoveListener): void {
    this.#listeners.push(listener)
  }

  /** Takes what an update tells of its chat. Call it in the transaction that handles the update. */
  async heard({ message, my_chat_member }: ChatUpdate): Promise<void> {
    if (my_chat_member) {
      const { chat, new_chat_member: member } = my_chat_member
      const mayWrite = member.status !== 'restricted' || member.can_send_messages
      if (['left', 'kicked'].includes(member.status) || !mayWrite) await this.close(chat.id, member.status)
      else await this.#open(chat.id)
      return
    }
    if (!message) return
    const { chat, migrate_to_chat_id: to, migrate_from_chat_id: from } = message
    if (to !== undefined) await this.move(chat.id, to)
    else if (from !== undefined) await this.move(from, chat.id)
    else await this.#open(chat.id)
  }

  async close(chatId: number, reason: string): Promise<void> {
    const { botId, database } = this.#parts
    await database.query(
      `INSERT INTO closed_chats (bot_id, chat_id, reason, closed_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (bot_id, chat_id) DO UPDATE SET reason = $3`,
      botId,
      chatId,
      reason,
      Date.now(),
    )
  }

  /** Whether nothing that is said in this chat would be read. */
  async isClosed(chatId: number): Promise<boolean> {
    const { botId, database } = this.#parts
    const rows = await database.query(
      'SELECT 1 FROM closed_chats WHERE bot_id = $1 AND chat_id = $2',
      botId,
      chatId,
    )
    return rows.length > 0
  }

  /** The id that a chat has now, for who has taken its id from a row a while ago. */
  idNow(chatId: number): number {
    return this.#moved.get(chatId) ?? chatId
  }

  /** A group has become a supergroup: what was to be said there is said here. */
  async move(from: number, to: number): Promise<void> {
    const { database, rows, log, wake } = this.#parts
    log.info({ from, to }, 'a group has become a supergroup')
    await database.transaction(async () => {
      await rows.move(from, to)
      for (const listener of this.#listeners) await listener(from, to)
    })
    database.afterCommit(() => {
      this.#moved.set(from, to)
      wake()
    })
  }

  async #open(chatId: number): Promise<void> {
    const { botId, database, rows, log, wake } = this.#parts
    const known = await database.query(
      'DELETE FROM closed_chats WHERE bot_id = $1 AND chat_id = $2 RETURNING chat_id',
      botId,
      chatId,
    )
    if (known.length === 0) return
    log.info({ chat_id: chatId }, 'a chat takes messages again')
    await rows.revive(chatId, { files: Date.now() - remembered * day, words: Date.now() - day })
    database.afterCommit(wake)
  }
}
