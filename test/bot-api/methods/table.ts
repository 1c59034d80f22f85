import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'
import * as account from './account.ts'
import * as conversation from './conversation.ts'
import { getFile } from './files.ts'
import * as messages from './messages.ts'
import * as sendFiles from './send-files.ts'
import * as updates from './updates.ts'

export type Method = (bot: Bot, params: Params) => unknown

const METHODS: Record<string, Method> = {
  getMe: account.getMe,
  logOut: account.logOut,
  close: account.close,
  setMyCommands: account.setMyCommands,
  getMyCommands: account.getMyCommands,
  deleteMyCommands: account.deleteMyCommands,
  setMyDescription: account.setMyDescription,
  getMyDescription: account.getMyDescription,
  setMyShortDescription: account.setMyShortDescription,
  getMyShortDescription: account.getMyShortDescription,
  setMyName: account.setMyName,
  getMyName: account.getMyName,
  getUpdates: updates.getUpdates,
  setWebhook: updates.setWebhook,
  deleteWebhook: updates.deleteWebhook,
  getWebhookInfo: updates.getWebhookInfo,
  sendMessage: messages.sendMessage,
  editMessageText: messages.editMessageText,
  editMessageCaption: messages.editMessageCaption,
  editMessageMedia: sendFiles.editMessageMedia,
  editMessageReplyMarkup: messages.editMessageReplyMarkup,
  deleteMessage: messages.deleteMessage,
  deleteMessages: messages.deleteMessages,
  sendMessageDraft: messages.sendMessageDraft,
  getFile,
  sendDocument: sendFiles.sendDocument,
  sendVideo: sendFiles.sendVideo,
  sendAudio: sendFiles.sendAudio,
  sendPhoto: sendFiles.sendPhoto,
  sendAnimation: sendFiles.sendAnimation,
  sendVoice: sendFiles.sendVoice,
  sendMediaGroup: sendFiles.sendMediaGroup,
  copyMessage: sendFiles.copyMessage,
  forwardMessage: sendFiles.forwardMessage,
  answerCallbackQuery: conversation.answerCallbackQuery,
  sendChatAction: conversation.sendChatAction,
  getChat: conversation.getChat,
  setMessageReaction: conversation.setMessageReaction,
}

const byLowerName = new Map(Object.entries(METHODS).map(([name, method]) => [name.toLowerCase(), method]))

/** Names are taken in any case; undefined = there is no such method here. */
export function findMethod(name: string): Method | undefined {
  return byLowerName.get(name.toLowerCase())
}
