import { constants } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { addFile, storeCopy } from '../cloud/file-bytes.ts'
import type { Kind, Media, Message } from '../cloud/records.ts'
import { smallerSizes } from '../cloud/smaller-photos.ts'
import { ApiError, badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'
import { chatToWrite, findMessage, knownChat } from './chats.ts'
import { readFileId } from './files.ts'
import { readInlineKeyboard } from './keyboard.ts'
import { post } from './messages.ts'
import { readCaption } from './texts.ts'

const MAX_UPLOAD_BYTES = 2000 * 2 ** 20
const MAX_PHOTO_BYTES = 10 * 2 ** 20

export const sendDocument = (bot: Bot, params: Params) => sendMedia(bot, params, 'document')
export const sendVideo = (bot: Bot, params: Params) => sendMedia(bot, params, 'video')
export const sendAudio = (bot: Bot, params: Params) => sendMedia(bot, params, 'audio')
export const sendPhoto = (bot: Bot, params: Params) => sendMedia(bot, params, 'photo')

async function sendMedia(bot: Bot, params: Params, kind: Kind): Promise<object> {
  const chatId = chatToWrite(bot, params)
  const caption = readCaption(params)
  readInlineKeyboard(params)
  const media = await readMedia(bot, params, kind)
  const words = caption && { caption: caption.text, entities: caption.entities }
  return post(bot, chatId, params, { ...words, media })
}

/** The file named by the parameter `kind`: a file_id, or with --local a file URI. */
async function readMedia(bot: Bot, params: Params, kind: Kind): Promise<Media> {
  const { cloud, options } = bot.server
  const source = params.text(kind)
  if (source === '') throw badRequest(`there is no ${kind} in the request`)
  if (options.isLocal && /^file:\//i.test(source)) return upload(bot, kind, pathOfUri(source))
  if (/^https?:\/\//i.test(source)) throw badRequest('failed to get HTTP URL content')
  if (source.includes(':') || source.includes('/')) {
    throw badRequest('wrong remote file identifier specified: Wrong character in the string')
  }
  const { kind: sentAs, file } = readFileId(bot, source)
  if (sentAs !== kind && kind !== 'document') throw badRequest(`can't use file of type ${sentAs} as ${kind}`)
  return { ...cloud.mediaOf(file.id), kind: sentAs, file: file.id }
}

async function upload(bot: Bot, kind: Kind, uriPath: string): Promise<Media> {
  const { cloud } = bot.server
  const path = await realpath(uriPath).catch(() => {
    throw badRequest(`realpath failed for ${uriPath}`)
  })
  if (path === join(bot.folder.path, 'td.binlog')) {
    throw badRequest('sending of internal database files is forbidden')
  }
  const found = await stat(path)
  if (!found.isFile()) throw badRequest('not a regular file')
  if (found.size === 0) throw badRequest('file must be non-empty')
  await access(path, constants.R_OK).catch(() => {
    throw badRequest(`can't open file "${path}"`)
  })
  if (found.size > MAX_UPLOAD_BYTES) throw new ApiError(413, 'Request Entity Too Large')
  if (kind === 'photo' && found.size > MAX_PHOTO_BYTES) throw badRequest('PHOTO_INVALID_DIMENSIONS')
  const file = addFile(cloud, await storeCopy(cloud, path))
  const name = kind === 'photo' ? undefined : basename(path)
  return { kind, file: file.id, smaller: smallerSizes(cloud, kind, file), name }
}

/** `file:///abs` and `file://localhost/abs` only: with fewer slashes the server sees a relative path. */
function pathOfUri(uri: string): string {
  const path = /^file:\/\/(?:localhost)?(\/.*)$/i.exec(uri)?.[1]
  if (path === undefined) throw badRequest('invalid file HTTP URL specified: Unsupported URL protocol')
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

export function copyMessage(bot: Bot, params: Params): object {
  const { chatId, message } = messageToRepeat(bot, params, 'copy')
  const caption = params.has('caption') ? readCaption(params) : undefined
  const words = caption && message.media ? { caption: caption.text, entities: caption.entities } : {}
  const { message_id } = post(bot, chatId, params, { ...contentOf(message), ...words }) as {
    message_id: number
  }
  return { message_id }
}

export function forwardMessage(bot: Bot, params: Params): object {
  const { chatId, message } = messageToRepeat(bot, params, 'forward')
  const forwarded_from = message.forwarded_from ?? { id: message.from.id, at: message.at }
  return post(bot, chatId, params, { ...contentOf(message), forwarded_from })
}

function messageToRepeat(bot: Bot, params: Params, verb: string): { chatId: number; message: Message } {
  const chatId = chatToWrite(bot, params)
  const source = knownChat(bot, params, 'from_chat_id')
  return { chatId, message: findMessage(bot, source, params, `message to ${verb} not found`) }
}

function contentOf({ text, entities, caption, media, link_preview_disabled }: Message): Partial<Message> {
  return { text, entities, caption, media, link_preview_disabled }
}
