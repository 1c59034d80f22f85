import type { BotAccount } from '../cloud/accounts.ts'
import type { Cloud } from '../cloud/cloud.ts'
import { usernameOf } from '../cloud/groups.ts'
import type { Chat, Entity, FeedEntry, Kind, Media, Message } from '../cloud/records.ts'
import { encodeFileId } from './file-id.ts'

type Json = Record<string, unknown>

export function renderBot(botId: number): Json {
  return { id: botId, is_bot: true, first_name: 'Depot', username: usernameOf(botId) }
}

/** Accounts of Telegram itself, in whose name nobody in particular writes. */
const nobodies: Record<number, Json> = {
  777000: { is_bot: false, first_name: 'Telegram' },
  1087968824: { is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' },
  136817688: { is_bot: true, first_name: 'Channel', username: 'Channel_Bot' },
}

export function renderUser(cloud: Cloud, id: number): Json {
  if (cloud.bots.has(id)) return renderBot(id)
  if (nobodies[id]) return { id, ...nobodies[id] }
  const user = cloud.users.get(id)
  return { id, is_bot: false, first_name: user?.first_name ?? 'Deleted Account', ...user }
}

export function renderChat(cloud: Cloud, chatId: number): Json {
  const chat = cloud.chats.get(chatId)?.chat
  if (!chat) return { id: chatId, type: 'private' }
  if (chat.type !== 'private') return { ...chat }
  const user = cloud.users.get(chatId)
  return { id: chatId, type: 'private', first_name: user?.first_name, username: user?.username }
}

/** A message as this bot sees it. */
export function renderMessage(cloud: Cloud, botId: number, chatId: number, message: Message): Json {
  const chat = renderChat(cloud, chatId)
  const isPost = chat.type === 'channel'
  const replied = message.reply_to_message_id
  const repliedTo = replied && cloud.conversation(botId, chatId).messages.get(replied)
  const entities = message.entities?.length ? message.entities : undefined
  const origin = message.forwarded_from
  return {
    message_id: message.message_id,
    from: isPost ? undefined : renderUser(cloud, message.from.id),
    sender_chat: isPost ? chat : message.sender_chat,
    is_automatic_forward: message.is_automatic_forward,
    chat,
    message_thread_id: message.message_thread_id,
    is_topic_message: message.message_thread_id === undefined ? undefined : true,
    ...message.service,
    date: seconds(message.at),
    edit_date: message.edited_at === undefined ? undefined : seconds(message.edited_at),
    forward_origin: origin && {
      type: 'user',
      sender_user: renderUser(cloud, origin.id),
      date: seconds(origin.at),
    },
    media_group_id: message.media_group_id,
    reply_to_message: repliedTo
      ? renderMessage(cloud, botId, chatId, { ...repliedTo, reply_to_message_id: undefined })
      : undefined,
    external_reply: renderExternal(cloud, botId, message.external_reply_to),
    text: message.text,
    entities: message.text === undefined ? undefined : entities,
    ...(message.media ? renderMedia(cloud, botId, message.media) : {}),
    has_media_spoiler: message.media?.said?.has_spoiler,
    caption: message.caption,
    caption_entities: message.caption === undefined ? undefined : entities,
    link_preview_options: message.link_preview_disabled ? { is_disabled: true } : undefined,
    quote: message.quote === undefined ? undefined : { text: message.quote, position: 0, is_manual: true },
    has_protected_content: message.protected,
    reply_markup: message.inline_keyboard && { inline_keyboard: message.inline_keyboard },
  }
}

/** What an answer shows of a message of another chat; where that one stands only of supergroups and channels. */
function renderExternal(cloud: Cloud, botId: number, to: Message['external_reply_to']): Json | undefined {
  const message = to && cloud.conversation(botId, to.chat_id).messages.get(to.message_id)
  if (!message) return undefined
  const chat = renderChat(cloud, to.chat_id)
  const isShown = chat.type === 'supergroup' || chat.type === 'channel'
  return {
    origin: { type: 'user', sender_user: renderUser(cloud, message.from.id), date: seconds(message.at) },
    ...(isShown && { chat, message_id: message.message_id }),
    ...(message.media ? renderMedia(cloud, botId, message.media) : {}),
  }
}

function renderMedia(cloud: Cloud, botId: number, media: Media): Json {
  const file = (id: number) => renderFile(cloud, botId, media.kind, id)
  const { has_spoiler: _, ...said } = media.said ?? {}
  const main = { ...file(media.file), ...announcedSize(media) }
  const mime = media.mime_type
  switch (media.kind) {
    case 'photo': {
      const sides = [90, 320, 800]
      const smaller = (media.smaller ?? []).map((id, i) => ({
        ...file(id),
        width: sides[i],
        height: sides[i],
      }))
      return { photo: [...smaller, { ...main, width: 1280, height: 1280 }] }
    }
    case 'video':
      return {
        video: {
          ...main,
          width: 1280,
          height: 720,
          duration: 10,
          ...said,
          file_name: media.name,
          mime_type: mime,
        },
      }
    case 'video_note':
      return { video_note: { ...main, length: 384, duration: 10 } }
    case 'voice':
      return { voice: { ...main, duration: 10, ...said, mime_type: mime ?? 'audio/ogg' } }
    case 'audio':
      return {
        audio: { ...main, duration: 10, ...said, file_name: media.name, mime_type: mime ?? 'audio/mpeg' },
      }
    case 'animation': {
      const animation = { ...main, file_name: media.name, mime_type: mime ?? 'video/mp4' }
      return {
        animation: { ...animation, width: 480, height: 270, duration: 3, ...said },
        document: animation,
      }
    }
    case 'document':
      return { document: { ...main, file_name: media.name, mime_type: mime } }
  }
}

function announcedSize(media: Media): Json {
  if (media.announced_size === undefined) return {}
  return { file_size: media.announced_size ?? undefined }
}

export function renderFile(cloud: Cloud, botId: number, kind: Kind, fileId: number): Json {
  const file = cloud.files.get(fileId)
  return {
    file_id: encodeFileId(kind, botId, fileId),
    file_unique_id: file?.unique_id,
    file_size: file?.size,
  }
}

/** The `<type>: <payload>` part of an update; undefined if what it was about is gone. */
export function renderUpdate(cloud: Cloud, bot: BotAccount, entry: FeedEntry): Json | undefined {
  const { update, chat_id: chatId } = entry
  if (update.type === 'callback_query') {
    const callback = cloud.callbacks.get(update.callback_id)
    const message = callback && cloud.conversation(bot.id, chatId).messages.get(callback.message_id)
    if (!callback || !message) return undefined
    return {
      callback_query: {
        id: callback.id,
        from: renderUser(cloud, callback.from),
        message: renderMessage(cloud, bot.id, chatId, message),
        chat_instance: String(chatId),
        data: callback.data,
      },
    }
  }
  if (update.type === 'my_chat_member') {
    const member = (status: string) => ({
      user: renderBot(bot.id),
      status,
      ...(status === 'kicked' && { until_date: 0 }),
      ...(status === 'restricted' && { is_member: true, can_send_messages: false, until_date: 0 }),
    })
    return {
      my_chat_member: {
        chat: renderChat(cloud, chatId),
        from: renderUser(cloud, update.user_id),
        date: seconds(entry.at),
        old_chat_member: member(update.was),
        new_chat_member: member(update.status),
      },
    }
  }
  const message = cloud.conversation(bot.id, chatId).messages.get(update.message_id)
  return message && { [update.type]: renderMessage(cloud, bot.id, chatId, message) }
}

/** Endings of file names that are top-level domains as well, and some others. */
const domains = 'com|org|net|info|io|md|zip|mov|py|sh|rs|pl|ai|app|dev|me|tv|cc|ps|so|st|pub'

/** What Telegram marks by itself in a text; `README.md` is an address to it. */
const marks: [type: string, pattern: RegExp][] = [
  ['bot_command', /(?<=^|\s)\/[A-Za-z0-9_]{1,64}(@\w+)?/g],
  ['mention', /(?<=^|[^\w@/])@[A-Za-z]\w{3,31}/g],
  ['hashtag', /(?<=^|\s)#[\p{L}\d_]*[\p{L}_][\p{L}\d_]*/gu],
  [
    'url',
    new RegExp(
      `https?://[^\\s<>"]+\\.[^\\s<>"]+|(?<![\\w.@/-])(?:[\\w-]+\\.)+(?:${domains})(?![\\w-])`,
      'giu',
    ),
  ],
]

export function findEntities(text: string): Entity[] {
  const entities = marks.flatMap(([type, pattern]) =>
    [...text.matchAll(pattern)].map((match) => ({ type, offset: match.index, length: match[0].length })),
  )
  return entities.sort((a, b) => a.offset - b.offset)
}

export function privateChat(userId: number): Chat {
  return { id: userId, type: 'private' }
}

function seconds(at: number): number {
  return Math.floor(at / 1000)
}
