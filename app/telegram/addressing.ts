import type { Message, MessageEntity, Update } from 'telegraf/types'
import type { Place } from '../core/bot-api.ts'

/** Who has written a message. */
export type Writer =
  | 'person'
  /** Someone who shows only a group or a channel: an anonymous administrator, or who writes in a channel's name. */
  | 'anonymous'
  /** Nobody at all: another bot, or Telegram, which copies the posts of a linked channel. */
  | 'machine'

// Accounts of Telegram itself, which stand where a person would (core.telegram.org/bots/api#message).
const groupAnonymousBot = 1087968824
const channelBot = 136817688
const telegram = 777000

export function writerOf(message: Message): Writer {
  const { from, sender_chat } = message
  if (!from || from.id === telegram || 'is_automatic_forward' in message) return 'machine'
  if (sender_chat || from.id === groupAnonymousBot || from.id === channelBot) return 'anonymous'
  return from.is_bot ? 'machine' : 'person'
}

/** What a message asks of a bot. */
export interface Asked {
  /** The command at its start, in lower case and without the slash. */
  command: string | undefined
  /** Whether it speaks to this bot among others: by a bare command, by `/help@this_bot`, or by a mention anywhere. */
  isForUs: boolean
  /** Whether its command is for another bot. */
  isForAnother: boolean
}

/** By what a message may call the bot. */
export interface Names {
  /** The bot's own, without the @. */
  username: string
  /** Commands that need no name. */
  bare: ReadonlySet<string>
}

export function askedOf(message: Message, { username, bare }: Names): Asked {
  const { words, entities } = wordsOf(message)
  const wordOf = ({ offset, length }: MessageEntity) => words.slice(offset, offset + length).toLowerCase()
  const ours = username.toLowerCase()
  const first = entities.find(({ type, offset }) => type === 'bot_command' && offset === 0)
  const [command, addressee] = first ? wordOf(first).slice(1).split('@') : []
  const isMentioned = entities.some((entity) => entity.type === 'mention' && wordOf(entity) === `@${ours}`)
  const isForAnother = addressee !== undefined && addressee !== ours
  const isBare = command !== undefined && bare.has(command) && !isForAnother
  return { command, isForUs: isMentioned || addressee === ours || isBare, isForAnother }
}

const none: ReadonlySet<string> = new Set()

/** What a person hands over by a start link, `t.me/<bot>?start=<parameter>`: it comes as `/start <parameter>`. */
export function startParameterOf(message: Message, username: string): string | undefined {
  if (message.chat.type !== 'private' || writerOf(message) !== 'person' || !('text' in message))
    return undefined
  const { command, isForAnother } = askedOf(message, { username, bare: none })
  if (command !== 'start' || isForAnother) return undefined
  return message.text.split(/\s+/, 2)[1] || undefined
}

/** Where an answer to a message stands. */
export function placeOf(message: Message): Place & { replyTo: number } {
  const { chat, message_id, message_thread_id } = message
  // Answers in an ordinary group have a thread as well, into which nothing can be sent.
  const isTopic = 'is_topic_message' in message && message.is_topic_message
  return { chatId: chat.id, replyTo: message_id, ...(isTopic && { threadId: message_thread_id }) }
}

/** The chat that an update is about; 0 when it is about none, or of an odd shape. */
export function chatIdOf(update: Update | undefined): number {
  const { message, callback_query: press, my_chat_member: member } = (update ?? {}) as Partial<AnyUpdate>
  const chat = message?.chat ?? press?.message?.chat ?? member?.chat ?? press?.from
  return Number.isSafeInteger(chat?.id) ? Number(chat?.id) : 0
}

type AnyUpdate = Update.MessageUpdate & Update.CallbackQueryUpdate & Update.MyChatMemberUpdate

/** The text of a message, or the caption of what it carries. */
export function wordsOf(message: Message): { words: string; entities: MessageEntity[] } {
  if ('text' in message) return { words: message.text, entities: message.entities ?? [] }
  if (!('caption' in message)) return { words: '', entities: [] }
  return { words: message.caption ?? '', entities: message.caption_entities ?? [] }
}
