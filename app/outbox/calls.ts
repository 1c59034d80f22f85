import type { BotApi } from '../core/bot-api.ts'
import { TelegramRefusal } from '../core/bot-api.ts'

/** What one message is to show. */
export interface Outgoing {
  chat_id: number
  reply_to: number | null
  /** The topic of a group in which it stands. */
  thread_id: number | null
  message_id: number | null
  text: string
  keyboard: string | null
}

/** Ids, of those that nobody else is known to have, that are tried after the one that was the last when the sending began. */
const adoptable = 10

/** Sends a message that is not there yet. Returns Telegram's id of it. */
export async function send(api: BotApi, message: Outgoing): Promise<number> {
  const { message_id } = await api.call<{ message_id: number }>('sendMessage', {
    chat_id: message.chat_id,
    ...(message.thread_id !== null && { message_thread_id: message.thread_id }),
    ...content(message),
    ...(message.reply_to !== null && {
      reply_parameters: { message_id: message.reply_to, allow_sending_without_reply: true },
    }),
  })
  return message_id
}

/** Makes a message that is there show its text; without effect when it shows it already. */
export async function edit(api: BotApi, message: Outgoing): Promise<void> {
  try {
    const { chat_id, message_id } = message
    await api.call('editMessageText', { chat_id, message_id, ...content(message) })
  } catch (error) {
    if (!refused(error, /message is not modified/)) throw error
  }
}

/**
 * Looks for a message whose sending was begun, and of which nobody knows whether Telegram took it: the bot cannot
 * read a chat, but it can edit what is its own. Ids grow, so it is one of the next after `last`; `known` ones belong
 * to other messages. Each call waits for its `turn`. Returns the id of the message, which shows its text now, or
 * undefined when there is none.
 */
export async function adopt(
  api: BotApi,
  message: Outgoing,
  last: number,
  known: Set<number>,
  turn: () => Promise<void>,
): Promise<number | undefined> {
  for (let id = last + 1, tried = 0; tried < adoptable; id++) {
    if (known.has(id)) continue
    tried++
    await turn()
    try {
      await edit(api, { ...message, message_id: id })
      return id
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

function content({ text, keyboard }: Outgoing): object {
  return {
    text,
    parse_mode: 'HTML',
    link_preview_options: { is_disabled: true },
    ...(keyboard !== null && { reply_markup: { inline_keyboard: JSON.parse(keyboard) } }),
  }
}

export { escapeHtml } from '../core/html.ts'
