import { constants } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { addFile, storeCopy } from '../cloud/file-bytes.ts'
import type { Kind, Media, Message } from '../cloud/records.ts'
import { smallerSizes } from '../cloud/smaller-photos.ts'
import { ApiError, badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import { Params } from '../server/params.ts'
import { chatToWrite, findMessage, knownChat } from './chats.ts'
import { readFileId } from './files.ts'
import { readInlineKeyboard } from './keyboard.ts'
import { editMedia, mediaToEdit, post } from './messages.ts'
import { type Rendered, readCaption } from './texts.ts'

const MAX_UPLOAD_BYTES = 2000 * 2 ** 20
const MAX_PHOTO_BYTES = 10 * 2 ** 20

/** What a bot may say of a file of each kind, besides the file itself. */
const PROPERTIES: Partial<Record<Kind, string[]>> = {
  photo: ['has_spoiler'],
  video: ['width', 'height', 'duration', 'thumbnail', 'has_spoiler', 'supports_streaming'],
  animation: ['width', 'height', 'duration', 'thumbnail', 'has_spoiler'],
  audio: ['duration', 'performer', 'title', 'thumbnail'],
  voice: ['duration'],
  document: ['thumbnail'],
}

export const sendDocument = (bot: Bot, params: Params) => sendMedia(bot, params, 'document')
export const sendVideo = (bot: Bot, params: Params) => sendMedia(bot, params, 'video')
export const sendAudio = (bot: Bot, params: Params) => sendMedia(bot, params, 'audio')
export const sendPhoto = (bot: Bot, params: Params) => sendMedia(bot, params, 'photo')
export const sendAnimation = (bot: Bot, params: Params) => sendMedia(bot, params, 'animation')
export const sendVoice = (bot: Bot, params: Params) => sendMedia(bot, params, 'voice')

async function sendMedia(bot: Bot, params: Params, kind: Kind): Promise<object> {
  const chatId = chatToWrite(bot, params)
  const words = readCaption(params)
  readInlineKeyboard(params)
  const media = await readMedia(bot, params.text(kind), kind, params)
  return post(bot, chatId, params, { ...captionOf(words), media })
}

/** Two to ten files that stand together; documents and audio files only with their like. */
export async function sendMediaGroup(bot: Bot, params: Params): Promise<object[]> {
  const chatId = chatToWrite(bot, params)
  const given = params.json('media', 'media')
  if (!Array.isArray(given)) throw badRequest("can't parse media JSON object")
  if (given.length === 0) throw badRequest('there are no messages to send')
  if (given.length > 10) throw badRequest('too many messages to send as an album')
  const items = given.map((item) => readInputMedia(item, ['photo', 'video', 'audio', 'document']))
  const alone = items.find(({ kind }) => kind === 'document' || kind === 'audio')
  if (alone && items.some(({ kind }) => kind !== alone.kind)) {
    throw badRequest(`${alone.kind} can't be mixed with other media types`)
  }
  const contents: Partial<Message>[] = []
  for (const [at, { kind, fields }] of items.entries()) {
    const media = await readMedia(bot, fields.text('media'), kind, fields).catch((error) => {
      if (!(error instanceof ApiError)) throw error
      const reason = error.message.replace(/^Bad Request: /, '')
      throw badRequest(`failed to send message #${at + 1} with the error message "${reason}"`)
    })
    contents.push({ ...captionOf(readCaption(fields)), media })
  }
  const media_group_id = String(10n ** 16n + BigInt(bot.server.cloud.nextMessageId(bot.id, chatId)))
  return contents.map((content) => post(bot, chatId, params, { ...content, media_group_id }))
}

export async function editMessageMedia(bot: Bot, params: Params): Promise<object> {
  const { kind, fields } = readInputMedia(params.json('media', 'InputMedia'), Object.keys(PROPERTIES))
  if (kind === 'voice') throw badRequest("can't parse InputMedia: wrong type")
  mediaToEdit(bot, params)
  const media = await readMedia(bot, fields.text('media'), kind, fields)
  return editMedia(bot, params, media, readCaption(fields))
}

function readInputMedia(item: unknown, kinds: string[]): { kind: Kind; fields: Params } {
  if (typeof item !== 'object' || item === null)
    throw badRequest("can't parse InputMedia: expected an Object")
  const { type } = item as { type?: Kind }
  if (!type || !kinds.includes(type)) throw badRequest("can't parse InputMedia: wrong type")
  return { kind: type, fields: new Params(item as Record<string, unknown>) }
}

function captionOf(words: Rendered | undefined): Partial<Message> {
  return words ? { caption: words.text, entities: words.entities } : {}
}

/** The file that `source` names: a file_id, or with --local a file URI; `params` say what it is like. */
async function readMedia(bot: Bot, source: string, kind: Kind, params: Params): Promise<Media> {
  const { cloud, options } = bot.server
  const said = await readProperties(bot, kind, params)
  if (source === '') throw badRequest(`there is no ${kind} in the request`)
  if (options.isLocal && /^file:\//i.test(source))
    return { ...(await upload(bot, kind, pathOfUri(source))), said }
  if (/^https?:\/\//i.test(source)) throw badRequest('failed to get HTTP URL content')
  if (source.includes(':') || source.includes('/')) {
    throw badRequest('wrong remote file identifier specified: Wrong character in the string')
  }
  const { kind: sentAs, file } = sentFile(bot, source)
  if (sentAs !== kind && kind !== 'document') throw badRequest(`can't use file of type ${sentAs} as ${kind}`)
  // Of a file that Telegram has, it knows what it is like.
  return { ...cloud.mediaOf(file.id), kind: sentAs, file: file.id }
}

/** A file_id of another bot is one to the server, and none to Telegram. */
function sentFile(bot: Bot, source: string): ReturnType<typeof readFileId> {
  try {
    return readFileId(bot, source)
  } catch (error) {
    if (!(error instanceof ApiError) || /invalid file_id/.test(error.message)) throw error
    throw badRequest('wrong file identifier/HTTP URL specified')
  }
}

async function readProperties(bot: Bot, kind: Kind, params: Params): Promise<Media['said']> {
  const given = (PROPERTIES[kind] ?? []).filter((name) => params.has(name))
  const said = Object.fromEntries(given.map((name) => [name, params.raw[name]]))
  // A file_id is no picture of a file: only bytes are.
  if (said.thumbnail !== undefined) await upload(bot, 'photo', pathOfUri(params.text('thumbnail')))
  return given.length > 0 ? said : undefined
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
