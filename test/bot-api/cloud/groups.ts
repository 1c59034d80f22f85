import type { Conversation } from './cloud.ts'
import type { Membership, Message, TopicState } from './records.ts'

/** What Telegram knows of groups besides their messages. */
export class Groups {
  /** Groups that have become supergroups, by their old id. */
  readonly migrated = new Map<number, number>()
  readonly #members = new Map<string, Membership>()
  readonly #topics = new Map<string, TopicState>()

  join(botId: number, chatId: number): void {
    const key = `${botId} ${chatId}`
    if (!this.#members.has(key)) this.#members.set(key, 'member')
  }

  /** Returns what the bot was before. */
  change(botId: number, chatId: number, status: Membership): Membership {
    const was = this.membership(botId, chatId)
    this.#members.set(`${botId} ${chatId}`, status)
    return was
  }

  membership(botId: number, chatId: number): Membership {
    return this.#members.get(`${botId} ${chatId}`) ?? 'left'
  }

  isInside(botId: number, chatId: number): boolean {
    return !['left', 'kicked'].includes(this.membership(botId, chatId))
  }

  setTopic(chatId: number, threadId: number, state: TopicState): void {
    this.#topics.set(`${chatId} ${threadId}`, state)
  }

  /** Undefined when there never was such a topic. */
  topic(chatId: number, threadId: number): TopicState | undefined {
    return this.#topics.get(`${chatId} ${threadId}`)
  }
}

export function usernameOf(botId: number): string {
  return `depot_${botId}_bot`
}

/**
 * Whether a bot with privacy mode hears a message of a group (core.telegram.org/bots/features#privacy-mode): commands
 * that name it or nobody, answers to it, mentions of it, and what nobody wrote.
 */
export function isMeantFor(botId: number, message: Message, conversation: Conversation): boolean {
  if (message.service) return true
  const replied = message.reply_to_message_id
  if (replied !== undefined && conversation.messages.get(replied)?.from.id === botId) return true
  const words = message.text ?? message.caption ?? ''
  const ours = `@${usernameOf(botId)}`
  return (message.entities ?? []).some(({ type, offset, length }) => {
    const word = words.slice(offset, offset + length).toLowerCase()
    if (type === 'mention') return word === ours
    return type === 'bot_command' && (word.endsWith(ours) || !word.includes('@'))
  })
}
