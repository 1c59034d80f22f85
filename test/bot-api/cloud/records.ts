export type Kind = 'document' | 'video' | 'audio' | 'voice' | 'video_note' | 'animation' | 'photo'

export type User = {
  id: number
  first_name: string
  username?: string | undefined
  language_code?: string | undefined
  /** Another bot, whose messages are heard all the same. */
  is_bot?: boolean | undefined
}

export type Chat = {
  id: number
  type: 'private' | 'group' | 'supergroup' | 'channel'
  title?: string | undefined
  username?: string | undefined
  is_forum?: boolean | undefined
}

/** What a bot is in a group; a restricted one may not write there. */
export type Membership = 'member' | 'administrator' | 'restricted' | 'left' | 'kicked'

export type TopicState = 'open' | 'closed' | 'deleted'

/** Bytes at Telegram: either made from a seed, or a file of that name in the cloud folder. */
export type CloudFile = {
  id: number
  unique_id: string
  size: number
  seed?: string | number | undefined
  stored?: string | undefined
}

/** `file` is the id of a CloudFile; a photo has its smaller sizes in `smaller`, smallest first. */
export type Media = {
  kind: Kind
  file: number
  smaller?: number[] | undefined
  name?: string | undefined
  mime_type?: string | undefined
  /** What the message says of the size: null = nothing, absent = the truth. */
  announced_size?: number | null | undefined
  /** What the bot says of it: its size on the screen, its length in time, and so on, as the API names it. */
  said?: Record<string, unknown> | undefined
}

export type Entity = {
  type: string
  offset: number
  length: number
  url?: string | undefined
  language?: string | undefined
  custom_emoji_id?: string | undefined
}

export type Button = { text: string; [action: string]: unknown }
export type InlineKeyboard = Button[][]

export type Edit = {
  at: number
  text: string | undefined
  inline_keyboard?: InlineKeyboard | undefined
}

export type Message = {
  message_id: number
  at: number
  from: { id: number; is_bot: boolean }
  text?: string | undefined
  entities?: Entity[] | undefined
  caption?: string | undefined
  media?: Media | undefined
  media_group_id?: string | undefined
  reply_to_message_id?: number | undefined
  /** The message of another chat that it answers. */
  external_reply_to?: { chat_id: number; message_id: number } | undefined
  /** The topic it stands in. */
  message_thread_id?: number | undefined
  /** In whose name it was written, when that is no person: the group itself, or a channel. */
  sender_chat?: Chat | undefined
  is_automatic_forward?: boolean | undefined
  /** What a message says that nobody wrote. */
  service?:
    | { migrate_to_chat_id?: number; migrate_from_chat_id?: number; new_chat_title?: string }
    | undefined
  inline_keyboard?: InlineKeyboard | undefined
  link_preview_disabled?: boolean | undefined
  /** The part of the answered message that it is about. */
  quote?: string | undefined
  /** Sent without a sound. */
  silent?: boolean | undefined
  /** Cannot be forwarded. */
  protected?: boolean | undefined
  forwarded_from?: { id: number; at: number } | undefined
  reaction?: string[] | undefined
  edited_at?: number | undefined
  deleted?: boolean | undefined
  edits: Edit[]
}

export type Change = {
  text?: string | undefined
  caption?: string | undefined
  entities?: Entity[] | undefined
  inline_keyboard?: InlineKeyboard | undefined
  link_preview_disabled?: boolean | undefined
  media?: Media | undefined
}

/** A text that is being written; it is no message. */
export type Draft = { draft_id: number; text: string; at: number }

export type Callback = {
  id: string
  bot_id: number
  from: number
  chat_id: number
  message_id: number
  data: string
}

export type Answer = { callback_query_id: string; text: string; show_alert: boolean; at: number }

/** What the journal holds. `at` is milliseconds since 1970. */
export type CloudRecord =
  | { t: 'bot'; bot_id: number; token_hash?: string }
  | { t: 'revoke'; bot_id: number }
  | { t: 'user'; user: User }
  | { t: 'chat'; chat: Chat; bot_id: number }
  | { t: 'file'; file: CloudFile }
  | { t: 'message'; at: number; bot_id: number; chat_id: number; message: Message }
  | { t: 'edit'; at: number; bot_id: number; chat_id: number; message_id: number; by: number; change: Change }
  | { t: 'draft'; bot_id: number; chat_id: number; draft: Draft }
  | { t: 'delete'; bot_id: number; chat_id: number; message_id: number }
  | { t: 'react'; bot_id: number; chat_id: number; message_id: number; reaction: string[] }
  | { t: 'membership'; at: number; bot_id: number; chat_id: number; by: number; status: Membership }
  | { t: 'migration'; from: number; to: number }
  | { t: 'topic'; chat_id: number; thread_id: number; state: TopicState }
  | { t: 'privacy'; bot_id: number; enabled: boolean }
  | { t: 'block'; at: number; bot_id: number; user_id: number; blocked: boolean }
  | { t: 'callback'; at: number; callback: Callback }
  | { t: 'answer'; answer: Answer }
  | { t: 'profile'; bot_id: number; name: string; value: unknown }
  | { t: 'settings'; settings: Record<string, unknown> }

/** Something a bot is to hear of, in the order it happened; `seq` grows by the journal's lines. */
export type FeedEntry = {
  seq: number
  at: number
  chat_id: number
  update:
    | { type: 'message' | 'edited_message' | 'channel_post' | 'edited_channel_post'; message_id: number }
    | { type: 'callback_query'; callback_id: string }
    | { type: 'my_chat_member'; user_id: number; was: Membership; status: Membership }
}
