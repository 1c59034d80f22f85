import { isDeepStrictEqual } from 'node:util'
import type { Change, Media, Message } from '../cloud/records.ts'
import { ApiError, badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import { Params } from '../server/params.ts'
import { renderMessage } from '../server/render.ts'
import { chatToWrite, findMessage, topicToWrite } from './chats.ts'
import { readInlineKeyboard } from './keyboard.ts'
import { isPreviewDisabled, type Rendered, readCaption, readText } from './texts.ts'

const EDITABLE_MS = 48 * 3600 * 1000
const NOT_MODIFIED =
  'message is not modified: specified new message content and reply markup are exactly the same ' +
  'as a current content and reply markup of the message'

export function sendMessage(bot: Bot, params: Params): object {
  const chatId = chatToWrite(bot, params)
  const { text, entities } = readText(params)
  const link_preview_disabled = isPreviewDisabled(params)
  return post(bot, chatId, params, { text, entities, link_preview_disabled })
}

/** Adds the bot's own message to the chat and returns it as the API shows it. */
export function post(bot: Bot, chatId: number, params: Params, content: Partial<Message>): object {
  const { cloud } = bot.server
  const inline_keyboard = readInlineKeyboard(params)
  const reply_to_message_id = readReply(bot, chatId, params)
  const replied = reply_to_message_id && cloud.conversation(bot.id, chatId).messages.get(reply_to_message_id)
  const message_thread_id = topicToWrite(bot, chatId, params, replied || undefined)
  const at = Date.now()
  const message: Message = {
    message_id: cloud.nextMessageId(bot.id, chatId),
    at,
    from: { id: bot.id, is_bot: true },
    ...content,
    inline_keyboard,
    reply_to_message_id,
    message_thread_id,
    quote: readQuote(params, replied || undefined),
    silent: params.flag('disable_notification') || undefined,
    protected: params.flag('protect_content') || undefined,
    edits: [],
  }
  cloud.write({ t: 'message', at, bot_id: bot.id, chat_id: chatId, message })
  return renderMessage(cloud, bot.id, chatId, message)
}

export function editMessageText(bot: Bot, params: Params): object {
  const { chatId, message } = messageToEdit(bot, params)
  const { text, entities } = readText(params)
  if (message.text === undefined) throw badRequest('there is no text in the message to edit')
  return edit(bot, chatId, message, {
    text,
    entities,
    inline_keyboard: readInlineKeyboard(params),
    link_preview_disabled: isPreviewDisabled(params),
  })
}

export function editMessageCaption(bot: Bot, params: Params): object {
  const { chatId, message } = messageToEdit(bot, params)
  if (!message.media) throw badRequest('there is no caption in the message to edit')
  const caption = readCaption(params)
  const { text, entities } = caption ?? { text: '', entities: [] }
  return edit(bot, chatId, message, { caption: text, entities, inline_keyboard: readInlineKeyboard(params) })
}

/** Puts another file in the place of one; its caption goes with it. */
export function editMedia(bot: Bot, params: Params, media: Media, words: Rendered | undefined): object {
  const { chatId, message } = messageToEdit(bot, params)
  checkMediaEdit(message, media)
  const { text, entities } = words ?? { text: '', entities: [] }
  const inline_keyboard = readInlineKeyboard(params)
  return edit(bot, chatId, message, { media, caption: text, entities, inline_keyboard })
}

/** Before anything is uploaded. */
export function mediaToEdit(bot: Bot, params: Params): Message {
  const { message } = messageToEdit(bot, params)
  if (!message.media) throw badRequest('there is no media in the message to edit')
  return message
}

function checkMediaEdit({ media: old, media_group_id }: Message, { kind }: Media): void {
  const albumOf = (of: string | undefined) => (of === 'video' ? 'photo' : of)
  const isOtherAlbum = media_group_id !== undefined && albumOf(old?.kind) !== albumOf(kind)
  if (old?.kind === 'voice' || isOtherAlbum) throw badRequest("message media can't be edited")
}

export function editMessageReplyMarkup(bot: Bot, params: Params): object {
  const { chatId, message } = messageToEdit(bot, params)
  return edit(bot, chatId, message, { inline_keyboard: readInlineKeyboard(params) })
}

export function deleteMessage(bot: Bot, params: Params): true {
  const chatId = chatToWrite(bot, params)
  const message = findMessage(bot, chatId, params, 'message to delete not found')
  if (Date.now() - message.at > EDITABLE_MS) throw badRequest("message can't be deleted for everyone")
  bot.server.cloud.write({ t: 'delete', bot_id: bot.id, chat_id: chatId, message_id: message.message_id })
  return true
}

/** What is not there any more is passed over. */
export function deleteMessages(bot: Bot, params: Params): true {
  const chatId = chatToWrite(bot, params)
  const ids = params.json('message_ids', 'message identifiers')
  if (!Array.isArray(ids) || ids.length === 0) throw badRequest('message identifiers are not specified')
  if (ids.length > 100) throw badRequest('too many message identifiers specified')
  const { messages } = bot.server.cloud.conversation(bot.id, chatId)
  for (const id of ids) {
    const message = messages.get(Number(id))
    if (!message || message.deleted || Date.now() - message.at > EDITABLE_MS) continue
    bot.server.cloud.write({ t: 'delete', bot_id: bot.id, chat_id: chatId, message_id: message.message_id })
  }
  return true
}

/** A text that is being written (Bot API 9.5, of private chats). */
export function sendMessageDraft(bot: Bot, params: Params): true {
  const { cloud, settings } = bot.server
  if (!settings.now.drafts) throw new ApiError(404, 'Not Found: method not found')
  const chat_id = chatToWrite(bot, params)
  if (chat_id < 0) throw badRequest('chat not found')
  const draft_id = params.integer('draft_id')
  if (draft_id === 0) throw badRequest('draft identifier must be non-zero')
  const { text } = readText(params)
  cloud.write({ t: 'draft', bot_id: bot.id, chat_id, draft: { draft_id, text, at: Date.now() } })
  return true
}

function messageToEdit(bot: Bot, params: Params): { chatId: number; message: Message } {
  if (params.has('inline_message_id')) throw badRequest('MESSAGE_ID_INVALID')
  const chatId = chatToWrite(bot, params)
  const message = findMessage(bot, chatId, params, 'message to edit not found')
  if (message.from.id !== bot.id || message.forwarded_from) throw badRequest("message can't be edited")
  return { chatId, message }
}

function edit(bot: Bot, chatId: number, message: Message, change: Change): object {
  const { cloud } = bot.server
  if (changesNothing(message, change)) throw badRequest(NOT_MODIFIED)
  const { message_id } = message
  cloud.write({ t: 'edit', at: Date.now(), bot_id: bot.id, chat_id: chatId, message_id, by: bot.id, change })
  return renderMessage(cloud, bot.id, chatId, message)
}

function changesNothing(message: Message, change: Change): boolean {
  const sameMedia =
    change.media === undefined ||
    (change.media.file === message.media?.file && isDeepStrictEqual(change.media.said, message.media.said))
  const sameText = change.text === undefined || change.text === message.text
  const sameCaption = change.caption === undefined || change.caption === (message.caption ?? '')
  const hasText = change.text !== undefined || change.caption !== undefined
  const sameEntities = !hasText || isDeepStrictEqual(change.entities ?? [], message.entities ?? [])
  const samePreview =
    change.link_preview_disabled === undefined ||
    change.link_preview_disabled === (message.link_preview_disabled ?? false)
  const sameKeyboard = isDeepStrictEqual(change.inline_keyboard, message.inline_keyboard)
  return sameMedia && sameText && sameCaption && sameEntities && samePreview && sameKeyboard
}

function readReply(bot: Bot, chatId: number, params: Params): number | undefined {
  const given = params.json('reply_parameters', 'reply parameters') as
    | { message_id?: number; allow_sending_without_reply?: boolean }
    | undefined
  const id = given?.message_id ?? params.integer('reply_to_message_id')
  if (!id) return undefined
  const replied = bot.server.cloud.conversation(bot.id, chatId).messages.get(Number(id))
  if (replied && !replied.deleted) return Number(id)
  const isOptional = given?.allow_sending_without_reply || params.flag('allow_sending_without_reply')
  if (!isOptional) throw badRequest('message to be replied not found')
  return undefined
}

/** The quoted words must stand in the answered message. */
function readQuote(params: Params, replied: Message | undefined): string | undefined {
  const given = params.json('reply_parameters', 'reply parameters') as
    | { quote?: string; quote_parse_mode?: string }
    | undefined
  if (!given?.quote || !replied) return undefined
  const { quote: text, quote_parse_mode: parse_mode } = given
  const quote = readText(new Params({ text, parse_mode })).text
  if (!(replied.text ?? replied.caption ?? '').includes(quote)) throw badRequest('QUOTE_TEXT_INVALID')
  return quote
}
