import { isDeepStrictEqual } from 'node:util'
import type { Change, Message } from '../cloud/records.ts'
import { badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'
import { renderMessage } from '../server/render.ts'
import { chatToWrite, findMessage, topicToWrite } from './chats.ts'
import { readInlineKeyboard } from './keyboard.ts'
import { isPreviewDisabled, readCaption, readText } from './texts.ts'

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
  const sameText = change.text === undefined || change.text === message.text
  const sameCaption = change.caption === undefined || change.caption === (message.caption ?? '')
  const hasText = change.text !== undefined || change.caption !== undefined
  const sameEntities = !hasText || isDeepStrictEqual(change.entities ?? [], message.entities ?? [])
  const samePreview =
    change.link_preview_disabled === undefined ||
    change.link_preview_disabled === (message.link_preview_disabled ?? false)
  const sameKeyboard = isDeepStrictEqual(change.inline_keyboard, message.inline_keyboard)
  return sameText && sameCaption && sameEntities && samePreview && sameKeyboard
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
