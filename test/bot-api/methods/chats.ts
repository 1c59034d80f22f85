import type { Message } from '../cloud/records.ts'
import { badRequest, forbidden } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'

/** The chat named by `name`, if this bot may write there. */
export function chatToWrite(bot: Bot, params: Params, name = 'chat_id'): number {
  const chatId = knownChat(bot, params, name)
  if (chatId > 0 && bot.server.cloud.bot(bot.id).blockedBy.has(chatId)) {
    throw forbidden('bot was blocked by the user')
  }
  return chatId
}

/** The chat named by `name`, if this bot has seen it. */
export function knownChat(bot: Bot, params: Params, name = 'chat_id'): number {
  const { cloud } = bot.server
  const text = params.text(name)
  if (text === '') throw badRequest(`${name} is empty`)
  const chatId = text.startsWith('@') ? chatOfUsername(bot, text.slice(1)) : params.integer(name)
  if (chatId !== 0 && cloud.hasOpened(bot.id, chatId)) return chatId
  if (chatId > 0 && cloud.users.has(chatId)) throw forbidden("bot can't initiate conversation with a user")
  if (chatId > 0 && cloud.bots.has(chatId)) throw forbidden("bot can't send messages to bots")
  throw badRequest('chat not found')
}

/** The message named by `message_id` in that chat; `missing` is the refusal when there is none. */
export function findMessage(bot: Bot, chatId: number, params: Params, missing: string): Message {
  const id = params.integer('message_id')
  if (id <= 0) throw badRequest('message identifier is not specified')
  const message = bot.server.cloud.room(bot.id, chatId).messages.get(id)
  if (!message || message.deleted) throw badRequest(missing)
  return message
}

function chatOfUsername(bot: Bot, username: string): number {
  for (const { chat } of bot.server.cloud.chats.values()) {
    if (chat.username?.toLowerCase() === username.toLowerCase()) return chat.id
  }
  return 0
}
