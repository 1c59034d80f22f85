import type { BotApi } from '../core/bot-api.ts'
import { TelegramRefusal } from '../core/bot-api.ts'
import type { Words } from './content.ts'
import { captionOf, inputMedia, markupOf, mediaOf, placeOf, type Spot, textOf, wordsOf } from './payloads.ts'
import {
  type Item,
  marksOf,
  type Piece,
  type SentFile,
  type ShownItem,
  type ShownPiece,
  unknownId,
} from './pieces.ts'

/** As far as an answer of Telegram's is read: a message of ours, with its file under the name of its type. */
interface Message {
  message_id: number
  photo?: TelegramFile[]
  [type: string]: unknown
}

interface TelegramFile {
  file_id: string
  file_unique_id: string
}

/** Ids, of those that nobody else is known to have, that are tried after the one that was the last when the sending began. */
const adoptable = 10

/** Milliseconds for a call that has bytes sent: above the 500 s after which the server hangs up (and goes on). */
const uploadTimeout = 510_000

const sendMethods = {
  text: 'sendMessage',
  photo: 'sendPhoto',
  video: 'sendVideo',
  audio: 'sendAudio',
  document: 'sendDocument',
  animation: 'sendAnimation',
  voice: 'sendVoice',
} as const

/** Sends what is not there yet. */
export async function send(api: BotApi, spot: Spot, piece: Piece): Promise<ShownPiece> {
  const [item] = piece as [Item]
  const options = callOptions(piece)
  if (piece.length > 1) {
    const payload = { ...placeOf(spot), media: piece.map(({ media }) => media && inputMedia(media)) }
    const messages = await api.call<Message[]>('sendMediaGroup', payload, options)
    return messages.map((message, at) => shown(piece[at] ?? item, message))
  }
  const { media } = item
  const payload = {
    ...placeOf(spot),
    ...(media ? mediaOf(media) : textOf(item)),
    ...markupOf(item),
  }
  return [shown(item, await api.call<Message>(sendMethods[item.type], payload, options))]
}

/**
 * Makes a message that is there show an item; without effect when it shows it already.
 * @returns what it shows; the same files are named as before
 */
export async function edit(
  api: BotApi,
  chat_id: number,
  item: Item,
  { id, file, sent }: ShownItem,
): Promise<ShownItem> {
  const target = { chat_id, message_id: id }
  const marks = marksOf(item)
  const hasOtherFile = item.media !== undefined && file !== undefined && file !== marks.file
  const answer = await unlessSame(() => {
    if (!item.media) {
      return api.call<Message>('editMessageText', { ...target, ...textOf(item), ...markupOf(item) })
    }
    if (hasOtherFile) {
      const payload = { ...target, media: inputMedia(item.media), ...markupOf(item) }
      return api.call<Message>('editMessageMedia', payload, callOptions([item]))
    }
    const caption = { caption: '', ...captionOf(item.words) }
    return api.call<Message>('editMessageCaption', { ...target, ...caption, ...markupOf(item) })
  })
  const found = answer && sentFile(item, answer)
  return { id, type: item.type, ...marks, ...((found ?? sent) && { sent: found ?? sent }) }
}

/** Takes messages out of the chat; those that are not there any more are no fault. */
export async function remove(api: BotApi, chat_id: number, ids: number[]): Promise<void> {
  try {
    if (ids.length === 1) await api.call('deleteMessage', { chat_id, message_id: ids[0] })
    else await api.call('deleteMessages', { chat_id, message_ids: ids })
  } catch (error) {
    if (!refused(error, /message to delete not found|MESSAGE_ID_INVALID/)) throw error
  }
}

/** Shows a text as one that is being written; it is no message, and goes by itself after half a minute. */
export async function showDraft(api: BotApi, spot: Spot, draft_id: number, words: Words): Promise<void> {
  const { chat_id, thread_id } = spot
  const thread = thread_id !== null && { message_thread_id: thread_id }
  await api.call('sendMessageDraft', { chat_id, ...thread, draft_id, ...wordsOf(words, 'text') })
}

/**
 * Looks for what was being sent, and of which nobody knows whether Telegram took it: the bot cannot read a chat, but it
 * can edit what is its own, a text as a text and a file by its caption. Ids grow, so it is one of the next after `last`,
 * and what follows in an album is one of the next after that; `known` ones belong to other messages. Each call waits
 * for its `turn`. Returns what was found, which shows its words now, or undefined when there is none; Telegram does not
 * say again by which ids its files are known.
 */
export async function adopt(
  api: BotApi,
  chat_id: number,
  piece: Piece,
  last: number,
  known: Set<number>,
  turn: () => Promise<void>,
): Promise<ShownPiece | undefined> {
  const found: ShownPiece = []
  for (const item of piece) {
    const next = await adoptItem(api, chat_id, item, last, known, turn)
    if (!next && found.length === 0) return undefined
    last = next?.id ?? last
    found.push(next ?? { id: unknownId, type: item.type, ...marksOf(item) })
  }
  return found
}

async function adoptItem(
  api: BotApi,
  chat_id: number,
  item: Item,
  last: number,
  known: Set<number>,
  turn: () => Promise<void>,
): Promise<ShownItem | undefined> {
  for (let id = last + 1, tried = 0; tried < adoptable; id++) {
    if (known.has(id)) continue
    tried++
    await turn()
    try {
      return await edit(api, chat_id, item, { id, type: item.type })
    } catch (error) {
      if (!(error instanceof TelegramRefusal) || error.code !== 400) throw error
    }
  }
  return undefined
}

/** Whether Telegram refused a call for this reason. */
export function refused(error: unknown, reason: RegExp): boolean {
  return error instanceof TelegramRefusal && error.code === 400 && reason.test(error.description)
}

async function unlessSame<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    if (!refused(error, /message is not modified/)) throw error
    return undefined
  }
}

function callOptions(piece: Piece): { timeout?: number } {
  return piece.some(({ media }) => media && 'path' in media.file) ? { timeout: uploadTimeout } : {}
}

function shown(item: Item, message: Message): ShownItem {
  const sent = sentFile(item, message)
  return { id: message.message_id, type: item.type, ...marksOf(item), ...(sent && { sent }) }
}

/** A film without sound that is sent as a video is an animation to Telegram, and a document may be of any type. */
function sentFile({ media }: Item, message: Message): SentFile | undefined {
  if (!media) return undefined
  const types = [media.type, 'animation', 'video', 'audio', 'voice', 'document'] as const
  for (const of of types) {
    const file = of === 'photo' ? message.photo?.at(-1) : (message[of] as TelegramFile | undefined)
    if (file) return { type: of, fileId: file.file_id, fileUniqueId: file.file_unique_id }
  }
  return undefined
}
