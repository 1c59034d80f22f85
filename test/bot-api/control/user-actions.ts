import type { Cloud } from '../cloud/cloud.ts'
import { addFile, storeCopy } from '../cloud/file-bytes.ts'
import type { Chat, CloudFile, Kind, Media, Membership, Message, TopicState, User } from '../cloud/records.ts'
import { smallerSizes } from '../cloud/smaller-photos.ts'
import { findEntities, privateChat } from '../server/render.ts'

/** A request that the control door cannot carry out. */
export class ControlError extends Error {}

export type Sender = {
  id: number
  first_name?: string
  username?: string
  language_code?: string
  is_bot?: boolean
}

export type FileSpec = {
  kind?: Kind
  name?: string
  mime_type?: string
  /** Bytes made from `seed` … */
  size?: number
  seed?: string | number
  /** … or the bytes of this local file. */
  path?: string
  unique_id?: string
  /** What the message says of the size; null = nothing. */
  announced_size?: number | null
}

export type MessageSpec = {
  bot_id?: number
  from: Sender
  chat?: Chat
  text?: string
  file?: FileSpec
  caption?: string
  media_group_id?: string
  reply_to_message_id?: number
  /** The message of another chat that it answers. */
  external_reply_to?: Message['external_reply_to']
  message_thread_id?: number
  /** In whose name it is written: the group itself (an anonymous administrator), or a channel. */
  sender_chat?: Chat
  is_automatic_forward?: boolean
  /** A message that nobody wrote, such as a new title. */
  service?: Message['service']
}

/** What a user does in the world outside. */
export class UserActions {
  readonly #cloud: Cloud

  constructor(cloud: Cloud) {
    this.#cloud = cloud
  }

  /** The bot a request is about: the one it names, else the only one there is. */
  botId(named: number | undefined): number {
    if (named !== undefined) return this.#cloud.bot(named).id
    const [only, ...others] = this.#cloud.bots.keys()
    if (only === undefined) throw new ControlError('No bot has called yet: name one with bot_id')
    if (others.length > 0) throw new ControlError('There are several bots: name one with bot_id')
    return only
  }

  async send(spec: MessageSpec): Promise<{ message: Message; chatId: number; file: CloudFile | undefined }> {
    const file = spec.file && (await this.#takeIn(spec.file))
    return { ...this.post(spec, spec.file && file && this.#media(spec.file, file)), file }
  }

  /** Sends bytes that lie in the cloud folder already. */
  sendStored(spec: MessageSpec, bytes: { stored: string; size: number }) {
    if (bytes.size === 0) throw new ControlError('A file has at least one byte')
    const file = addFile(this.#cloud, bytes, spec.file?.unique_id)
    return { ...this.post(spec, this.#media(spec.file ?? {}, file)), file }
  }

  /** Puts a message of a user into a chat. */
  post(spec: MessageSpec, media: Media | undefined): { message: Message; chatId: number } {
    const botId = this.botId(spec.bot_id)
    const { reply_to_message_id, message_thread_id, sender_chat, is_automatic_forward, service } = spec
    if (!media && !spec.text && !service) throw new ControlError('A message needs a text or a file')
    const user = this.#meet(spec.from)
    const chat = spec.chat ?? privateChat(user.id)
    this.#open(botId, chat)
    this.#openTopic(chat.id, message_thread_id)
    const at = Date.now()
    const words = media ? spec.caption : spec.text
    const message: Message = {
      message_id: this.#cloud.nextMessageId(botId, chat.id),
      at,
      from: { id: user.id, is_bot: user.is_bot ?? false },
      text: media ? undefined : spec.text,
      caption: media ? spec.caption : undefined,
      entities: words === undefined ? undefined : findEntities(words),
      media,
      media_group_id: spec.media_group_id,
      reply_to_message_id,
      external_reply_to: spec.external_reply_to,
      message_thread_id,
      sender_chat,
      is_automatic_forward,
      service,
      edits: [],
    }
    this.#cloud.write({ t: 'message', at, bot_id: botId, chat_id: chat.id, message })
    return { message, chatId: chat.id }
  }

  edit(spec: {
    bot_id?: number
    chat_id: number
    message_id: number
    text?: string
    caption?: string
  }): void {
    const botId = this.botId(spec.bot_id)
    const message = this.#cloud.conversation(botId, spec.chat_id).messages.get(spec.message_id)
    if (!message || message.from.is_bot) throw new ControlError('There is no such message of a user')
    const { chat_id, message_id, text, caption } = spec
    const change = { text, caption, entities: findEntities(text ?? caption ?? '') }
    const by = message.from.id
    this.#cloud.write({ t: 'edit', at: Date.now(), bot_id: botId, chat_id, message_id, by, change })
  }

  press(spec: { bot_id?: number; from: Sender; chat_id: number; message_id: number; data: string }): string {
    const botId = this.botId(spec.bot_id)
    const message = this.#cloud.conversation(botId, spec.chat_id).messages.get(spec.message_id)
    if (!message || message.deleted) throw new ControlError('There is no such message')
    const buttons = message.inline_keyboard?.flat() ?? []
    const isThere = buttons.some((button) => button.callback_data === spec.data)
    if (!isThere)
      throw new ControlError(`The message has no button with the data ${JSON.stringify(spec.data)}`)
    const from = this.#meet(spec.from).id
    const id = String(10n ** 17n + BigInt(this.#cloud.callbacks.size) * 7919n)
    const { chat_id, message_id, data } = spec
    const callback = { id, bot_id: botId, from, chat_id, message_id, data }
    this.#cloud.write({ t: 'callback', at: Date.now(), callback })
    return id
  }

  block(spec: { bot_id?: number; user_id: number; blocked: boolean }): void {
    const bot_id = this.botId(spec.bot_id)
    const { user_id, blocked } = spec
    if (this.#cloud.bot(bot_id).blockedBy.has(user_id) === blocked) return
    this.#cloud.write({ t: 'block', at: Date.now(), bot_id, user_id, blocked })
  }

  /** Someone makes the bot a member of a group, restricts it, or throws it out. */
  setMembership(spec: { bot_id?: number; chat_id: number; by?: number; status: Membership }): void {
    const { chat_id, by = 1001, status } = spec
    const bot_id = this.botId(spec.bot_id)
    if (!this.#cloud.chats.has(chat_id)) throw new ControlError('There is no such group')
    this.#cloud.write({ t: 'membership', at: Date.now(), bot_id, chat_id, by, status })
  }

  /** A group becomes a supergroup: both say so, unless nobody is to hear of it. */
  migrate(spec: { bot_id?: number; from: number; to: number; silent?: boolean }): void {
    const bot_id = this.botId(spec.bot_id)
    const { from, to, silent = false } = spec
    const old = this.#cloud.chats.get(from)?.chat
    if (old?.type !== 'group') throw new ControlError('There is no such group')
    const chat: Chat = { ...old, id: to, type: 'supergroup' }
    this.#open(bot_id, chat)
    const by = { bot_id, from: { id: 1001 } }
    if (!silent) this.post({ ...by, chat: old, service: { migrate_to_chat_id: to } }, undefined)
    this.#cloud.write({ t: 'migration', from, to })
    if (!silent) this.post({ ...by, chat, service: { migrate_from_chat_id: from } }, undefined)
  }

  setTopic({ chat_id, thread_id, state }: { chat_id: number; thread_id: number; state: TopicState }): void {
    this.#cloud.write({ t: 'topic', chat_id, thread_id, state })
  }

  setPrivacy(spec: { bot_id?: number; enabled: boolean }): void {
    this.#cloud.write({ t: 'privacy', bot_id: this.botId(spec.bot_id), enabled: spec.enabled })
  }

  #openTopic(chatId: number, threadId: number | undefined): void {
    if (threadId === undefined || this.#cloud.groups.topic(chatId, threadId)) return
    this.setTopic({ chat_id: chatId, thread_id: threadId, state: 'open' })
  }

  #meet(sender: Sender): User {
    if (!Number.isSafeInteger(sender?.id) || sender.id <= 0)
      throw new ControlError('from.id must be a user id')
    const known = this.#cloud.users.get(sender.id)
    const user = { first_name: `User ${sender.id}`, ...known, ...sender }
    if (JSON.stringify(user) !== JSON.stringify(known)) this.#cloud.write({ t: 'user', user })
    return user
  }

  #open(botId: number, chat: Chat): void {
    if (this.#cloud.hasOpened(botId, chat.id)) return
    if (chat.type !== 'private' && chat.id >= 0)
      throw new ControlError('Groups and channels have ids below 0')
    this.#cloud.write({ t: 'chat', chat, bot_id: botId })
  }

  async #takeIn(spec: FileSpec): Promise<CloudFile> {
    if (spec.path !== undefined)
      return addFile(this.#cloud, await storeCopy(this.#cloud, spec.path), spec.unique_id)
    const size = spec.size ?? 1024
    if (!Number.isSafeInteger(size) || size <= 0) throw new ControlError('A file has at least one byte')
    return addFile(this.#cloud, { size, seed: spec.seed }, spec.unique_id)
  }

  #media(spec: FileSpec, file: CloudFile): Media {
    const kind = spec.kind ?? 'document'
    const { name, mime_type, announced_size } = spec
    return {
      kind,
      file: file.id,
      smaller: smallerSizes(this.#cloud, kind, file),
      name,
      mime_type,
      announced_size,
    }
  }
}
