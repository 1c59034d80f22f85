import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { applyChange, type BotAccount, newAccount } from './accounts.ts'
import { Groups, isMeantFor } from './groups.ts'
import { Journal } from './journal.ts'
import type {
  Answer,
  Callback,
  Chat,
  CloudFile,
  CloudRecord,
  Draft,
  FeedEntry,
  Media,
  Message,
  User,
} from './records.ts'

export type Conversation = {
  messages: Map<number, Message>
  lastMessageId: number
  answers: Answer[]
  /** Every draft that was shown, the newest last. */
  drafts: Draft[]
}

/**
 * What Telegram knows: accounts, chats, messages and files. Every change is a line of the journal, so a new
 * process on the same folder goes on where the last one was killed.
 */
export class Cloud {
  readonly dir: string
  readonly bots = new Map<number, BotAccount>()
  readonly users = new Map<number, User>()
  readonly chats = new Map<number, { chat: Chat; bots: Set<number> }>()
  readonly files = new Map<number, CloudFile>()
  readonly filesByUniqueId = new Map<string, CloudFile>()
  readonly groups = new Groups()
  readonly callbacks = new Map<string, Callback & { answered: boolean; at: number }>()
  settings: Record<string, unknown> = {}
  /** Called with the id of a bot that has something new to hear. */
  onNews: (botId: number) => void = () => {}
  readonly #media = new Map<number, Media>()
  readonly #conversations = new Map<string, Conversation>()
  readonly #journal: Journal<CloudRecord>
  #seq = 0

  constructor(dir: string) {
    mkdirSync(join(dir, 'files'), { recursive: true, mode: 0o750 })
    this.dir = dir
    this.#journal = new Journal(join(dir, 'journal.jsonl'))
    this.#journal.open((record) => this.#apply(record))
  }

  /** Makes one change and journals it. */
  write(record: CloudRecord): void {
    this.#journal.append(record)
    for (const botId of this.#apply(record)) this.onNews(botId)
  }

  close(): void {
    this.#journal.close()
  }

  bot(botId: number): BotAccount {
    if (!this.bots.has(botId)) this.write({ t: 'bot', bot_id: botId })
    return this.bots.get(botId) as BotAccount
  }

  /** True if Telegram takes this token; the first one seen for a bot is the right one. */
  admits(botId: number, token: string): boolean {
    const hash = createHash('sha256').update(token).digest('hex')
    const account = this.bot(botId)
    if (account.revoked.has(hash)) return false
    if (account.tokenHash === undefined) this.write({ t: 'bot', bot_id: botId, token_hash: hash })
    return account.tokenHash === hash
  }

  /** A private chat belongs to one bot; a group or channel is the same conversation for all of its bots. */
  conversation(botId: number, chatId: number): Conversation {
    const key = chatId > 0 ? `${botId}:${chatId}` : `${chatId}`
    let conversation = this.#conversations.get(key)
    if (!conversation) {
      conversation = { messages: new Map(), lastMessageId: 0, answers: [], drafts: [] }
      this.#conversations.set(key, conversation)
    }
    return conversation
  }

  hasOpened(botId: number, chatId: number): boolean {
    return this.chats.get(chatId)?.bots.has(botId) ?? false
  }

  nextMessageId(botId: number, chatId: number): number {
    return 1 + (chatId > 0 ? this.bot(botId).lastMessageId : this.conversation(botId, chatId).lastMessageId)
  }

  /** As what, and by which name, a file was sent last. */
  mediaOf(fileId: number): Media | undefined {
    return this.#media.get(fileId)
  }

  nextFileId(): number {
    return this.files.size + 1
  }

  #apply(record: CloudRecord): number[] {
    this.#seq++
    switch (record.t) {
      case 'bot': {
        const account = this.bots.get(record.bot_id) ?? newAccount(record.bot_id)
        account.tokenHash = record.token_hash ?? account.tokenHash
        this.bots.set(record.bot_id, account)
        return []
      }
      case 'revoke': {
        const account = this.#account(record.bot_id)
        if (account.tokenHash) account.revoked.add(account.tokenHash)
        account.tokenHash = undefined
        return []
      }
      case 'user':
        this.users.set(record.user.id, record.user)
        return []
      case 'chat': {
        const bots = this.chats.get(record.chat.id)?.bots ?? new Set()
        this.groups.join(record.bot_id, record.chat.id)
        this.chats.set(record.chat.id, { chat: record.chat, bots: bots.add(record.bot_id) })
        return []
      }
      case 'file':
        this.files.set(record.file.id, record.file)
        this.filesByUniqueId.set(record.file.unique_id, record.file)
        return []
      case 'message':
        return this.#addMessage(record)
      case 'edit':
        return this.#editMessage(record)
      case 'draft':
        this.conversation(record.bot_id, record.chat_id).drafts.push(record.draft)
        return []
      case 'delete': {
        const message = this.conversation(record.bot_id, record.chat_id).messages.get(record.message_id)
        if (message) message.deleted = true
        return []
      }
      case 'react': {
        const message = this.conversation(record.bot_id, record.chat_id).messages.get(record.message_id)
        if (message) message.reaction = record.reaction
        return []
      }
      case 'block': {
        const { blockedBy } = this.#account(record.bot_id)
        if (record.blocked) blockedBy.add(record.user_id)
        else blockedBy.delete(record.user_id)
        const [was, status] = record.blocked
          ? (['member', 'kicked'] as const)
          : (['kicked', 'member'] as const)
        const update = { type: 'my_chat_member', user_id: record.user_id, was, status } as const
        return this.#tell([record.bot_id], record.at, record.user_id, update)
      }
      case 'membership': {
        const { bot_id, chat_id, by, status } = record
        const was = this.groups.change(bot_id, chat_id, status)
        const update = { type: 'my_chat_member', user_id: by, was, status } as const
        return this.#tell([bot_id], record.at, chat_id, update)
      }
      case 'migration':
        this.groups.migrated.set(record.from, record.to)
        return []
      case 'topic':
        this.groups.setTopic(record.chat_id, record.thread_id, record.state)
        return []
      case 'privacy':
        this.#account(record.bot_id).hasPrivacy = record.enabled
        return []
      case 'callback': {
        const { callback } = record
        this.callbacks.set(callback.id, { ...callback, answered: false, at: record.at })
        const update = { type: 'callback_query', callback_id: callback.id } as const
        return this.#tell([callback.bot_id], record.at, callback.chat_id, update)
      }
      case 'answer': {
        const callback = this.callbacks.get(record.answer.callback_query_id)
        if (!callback) return []
        callback.answered = true
        this.conversation(callback.bot_id, callback.chat_id).answers.push(record.answer)
        return []
      }
      case 'profile':
        this.#account(record.bot_id).profile.set(record.name, record.value)
        return []
      case 'settings':
        this.settings = { ...this.settings, ...record.settings }
        return []
    }
  }

  #addMessage(record: CloudRecord & { t: 'message' }): number[] {
    const { message } = record
    const conversation = this.conversation(record.bot_id, record.chat_id)
    conversation.messages.set(message.message_id, message)
    conversation.lastMessageId = message.message_id
    this.#remember(message.media)
    if (record.chat_id > 0) this.#account(record.bot_id).lastMessageId = message.message_id
    const type = this.#isChannel(record.chat_id) ? 'channel_post' : 'message'
    const update = { type, message_id: message.message_id } as const
    return this.#tell(this.#listeners(record, message), record.at, record.chat_id, update)
  }

  #editMessage(record: CloudRecord & { t: 'edit' }): number[] {
    const message = this.conversation(record.bot_id, record.chat_id).messages.get(record.message_id)
    if (!message) return []
    applyChange(message, record.at, record.change)
    this.#remember(record.change.media)
    if (message.from.is_bot) return []
    const type = this.#isChannel(record.chat_id) ? 'edited_channel_post' : 'edited_message'
    const update = { type, message_id: record.message_id } as const
    return this.#tell(this.#listeners(record, message), record.at, record.chat_id, update)
  }

  #remember(media: Media | undefined): void {
    if (media) for (const id of [media.file, ...(media.smaller ?? [])]) this.#media.set(id, media)
  }

  /** Bots that hear of a message in this chat: never the one that wrote it, and no bot hears another one of these. */
  #listeners(event: { bot_id: number; chat_id: number }, message: Message): number[] {
    if (this.bots.has(message.from.id)) return []
    if (event.chat_id > 0) return [event.bot_id]
    const conversation = this.conversation(event.bot_id, event.chat_id)
    return [...(this.chats.get(event.chat_id)?.bots ?? [])].filter((id) => {
      if (!this.groups.isInside(id, event.chat_id)) return false
      return (
        !this.#account(id).hasPrivacy ||
        this.#isChannel(event.chat_id) ||
        isMeantFor(id, message, conversation)
      )
    })
  }

  #tell(botIds: number[], at: number, chatId: number, update: FeedEntry['update']): number[] {
    for (const id of botIds) this.#account(id).feed.push({ seq: this.#seq, at, chat_id: chatId, update })
    return botIds
  }

  #isChannel(chatId: number): boolean {
    return this.chats.get(chatId)?.chat.type === 'channel'
  }

  #account(botId: number): BotAccount {
    const account = this.bots.get(botId)
    if (!account) throw new Error(`The journal names bot ${botId} before it exists`)
    return account
  }
}
