import type { Message } from '../cloud/records.ts'
import { ApiError, badRequest, forbidden } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'

/** The chat named by `name`, if this bot may write there. */
export function chatToWrite(bot: Bot, params: Params, name = 'chat_id'): number {
  const chatId = knownChat(bot, params, name)
  const { cloud } = bot.server
  if (chatId > 0 && cloud.bot(bot.id).blockedBy.has(chatId)) throw forbidden('bot was blocked by the user')
  if (chatId < 0) checkGroup(bot, chatId)
  return chatId
}

function checkGroup(bot: Bot, chatId: number): void {
  const { groups, chats } = bot.server.cloud
  const migrate_to_chat_id = groups.migrated.get(chatId)
  if (migrate_to_chat_id !== undefined) {
    const description = 'Bad Request: group chat was upgraded to a supergroup chat'
    throw new ApiError(400, description, { migrate_to_chat_id })
  }
  const kind = chats.get(chatId)?.chat.type
  const membership = groups.membership(bot.id, chatId)
  if (membership === 'kicked') throw forbidden(`bot was kicked from the ${kind} chat`)
  if (membership === 'left') throw forbidden(`bot is not a member of the ${kind} chat`)
  if (membership === 'restricted') throw badRequest('not enough rights to send text messages to the chat')
}

/** The topic that a message goes to: the one named, or that of the message which it answers. */
export function topicToWrite(bot: Bot, chatId: number, params: Params, replied: Message | undefined) {
  const named = params.integer('message_thread_id')
  const threadId = named || replied?.message_thread_id
  if (!threadId) return undefined
  const state = bot.server.cloud.groups.topic(chatId, threadId)
  if (state === undefined || state === 'deleted') {
    if (named) throw badRequest('message thread not found')
    return undefined
  }
  if (state === 'closed') throw badRequest('TOPIC_CLOSED')
  return threadId
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
  const message = bot.server.cloud.conversation(bot.id, chatId).messages.get(id)
  if (!message || message.deleted) throw badRequest(missing)
  return message
}

function chatOfUsername(bot: Bot, username: string): number {
  for (const { chat } of bot.server.cloud.chats.values()) {
    if (chat.username?.toLowerCase() === username.toLowerCase()) return chat.id
  }
  return 0
}
