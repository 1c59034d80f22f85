import type { Message } from 'telegraf/types'
import type { Place } from '../core/bot-api.ts'
import { askedOf, type Names, placeOf, startParameterOf, wordsOf } from './addressing.ts'
import { type Attachment, attachmentOf } from './attachment.ts'

/** A file, and the message of this chat that carries it. */
export interface FoundFile {
  file: Attachment
  messageId: number
}

/** A part of a text that means something (core.telegram.org/bots/api#messageentity). */
export interface Entity {
  type: string
  offset: number
  length: number
  url?: string
}

/** What a feature is told of a message. A person has written it. */
export interface HeardMessage {
  userId: number
  /** Where the answer stands. */
  place: Place & { replyTo: number }
  isPrivate: boolean
  /** The tag of the language in which to answer. */
  language: string | undefined
  /** The command at its start, in lower case and without the slash. */
  command: string | undefined
  /** Whether it speaks to this bot; in a private chat it need not say so. */
  isForUs: boolean
  /** Its text, or the caption of what it carries. */
  text: string
  entities: Entity[]
  file: FoundFile | undefined
  /** The file of the message that it answers. */
  answeredFile: FoundFile | undefined
  /** What it hands over by a start link. */
  startParameter: string | undefined
  /** Whether that is the secret one, which is kept nowhere. */
  givesStartCode: boolean
}

/** Somebody asks something of a file: by sending it, or by answering it. */
export interface FileRequest extends FoundFile {
  message: HeardMessage
}

/** Addresses that a feature claims. */
export interface LinkRequest {
  message: HeardMessage
  urls: URL[]
}

/** The press of a button. */
export interface Press {
  userId: number
  /** What the button carries behind the prefix that the feature claims. */
  data: string
  language: string | undefined
}

/** @param message one that has an author */
export function heardOf(
  message: Message & { from: NonNullable<Message['from']> },
  names: Names,
  givesStartCode: boolean,
): HeardMessage {
  const { command, isForUs } = askedOf(message, names)
  const { words: text, entities } = wordsOf(message)
  const isPrivate = message.chat.type === 'private'
  return {
    userId: message.from.id,
    place: placeOf(message),
    isPrivate,
    language: languageOf(message.from),
    command,
    isForUs: isForUs || isPrivate,
    text,
    entities,
    file: ownFile(message),
    answeredFile: answeredFile(message),
    startParameter: startParameterOf(message, names.username),
    givesStartCode,
  }
}

/** The one place that decides it: what a person chose would go before the language of their app. */
export function languageOf({ language_code }: { language_code?: string }): string | undefined {
  return language_code
}

/** What a text links to, in order. */
export function urlsIn({ text, entities }: Pick<HeardMessage, 'text' | 'entities'>): URL[] {
  return entities.flatMap(({ type, offset, length, url }) => {
    if (type !== 'url' && type !== 'text_link') return []
    const address = url ?? text.slice(offset, offset + length)
    // Telegram makes a link of `example.org/a` as well.
    const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `https://${address}`
    return URL.parse(whole) ?? []
  })
}

function ownFile(message: Message): FoundFile | undefined {
  const file = attachmentOf(message)
  return file && { file, messageId: message.message_id }
}

function answeredFile(message: Message): FoundFile | undefined {
  if ('reply_to_message' in message && message.reply_to_message) return ownFile(message.reply_to_message)
  // An answer to a message of another chat carries the file of that one itself.
  const other = 'external_reply' in message ? message.external_reply : undefined
  const { date, message_id } = message
  const file = other && attachmentOf({ ...other, date, message_id })
  return file && { file, messageId: message_id }
}
