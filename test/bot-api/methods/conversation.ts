import { badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'
import { renderChat } from '../server/render.ts'
import { chatToWrite, findMessage, knownChat } from './chats.ts'

const CALLBACK_LIFE_MS = 15 * 60 * 1000
const MAX_ANSWER = 200
const CHAT_ACTIONS = [
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'upload_document',
  'choose_sticker',
  'find_location',
  'record_video_note',
  'upload_video_note',
]

export function answerCallbackQuery(bot: Bot, params: Params): true {
  const { cloud } = bot.server
  const callback = cloud.callbacks.get(params.text('callback_query_id'))
  const isOpen = callback?.bot_id === bot.id && !callback.answered
  if (!isOpen || Date.now() - callback.at > CALLBACK_LIFE_MS) {
    throw badRequest('query is too old and response timeout expired or query ID is invalid')
  }
  const text = params.text('text')
  if (text.length > MAX_ANSWER) throw badRequest('MESSAGE_TOO_LONG')
  const answer = {
    callback_query_id: callback.id,
    text,
    show_alert: params.flag('show_alert'),
    at: Date.now(),
  }
  cloud.write({ t: 'answer', answer })
  return true
}

export function sendChatAction(bot: Bot, params: Params): true {
  chatToWrite(bot, params)
  const action = params.text('action')
  if (!CHAT_ACTIONS.includes(action)) throw badRequest('wrong parameter action in request')
  return true
}

export function getChat(bot: Bot, params: Params): object {
  const chat = renderChat(bot.server.cloud, knownChat(bot, params))
  return { ...chat, accent_color_id: 0, max_reaction_count: 11 }
}

export function setMessageReaction(bot: Bot, params: Params): true {
  const chatId = chatToWrite(bot, params)
  const { message_id } = findMessage(bot, chatId, params, 'message to react not found')
  const given = params.json('reaction', 'reaction types') ?? []
  if (!Array.isArray(given)) throw badRequest("can't parse reaction types JSON object")
  if (given.length > 1) throw badRequest('REACTIONS_TOO_MANY')
  const reaction = given.map((item: { type?: string; emoji?: string }) => {
    if (item?.type !== 'emoji' || !item.emoji || !REACTIONS.includes(item.emoji))
      throw badRequest('REACTION_INVALID')
    return item.emoji
  })
  bot.server.cloud.write({ t: 'react', bot_id: bot.id, chat_id: chatId, message_id, reaction })
  return true
}

/** The part of Telegram's list that a bot is likely to use. */
const REACTIONS = [
  ...'👍👎🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🙏👌🥱😍💯🤣⚡🏆💔🤨😐🍾😈😴😭🤓👻👀🎃😇😨🤝🤗🫡💅🤪🗿🆒🦄😎👾😡',
  '❤',
  '✍',
]
