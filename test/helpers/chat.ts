import type { Sent, ShownMessage, StandIn } from '../bot-api/client.ts'
import { linkBase } from './start-app.ts'

const pattern = new RegExp(`${linkBase}(/download/([0-9a-f-]{36})(?:/[A-Za-z0-9._%-]+)?)`)

export interface SharedLink {
  /** On the server. */
  path: string
  uuid: string
  message: ShownMessage
}

/** The link in a message, if it has one. */
export function linkIn(message: ShownMessage): SharedLink | undefined {
  const [, path, uuid] = pattern.exec(message.text ?? '') ?? []
  return path && uuid ? { path, uuid, message } : undefined
}

/** Waits for the link that answers `messageId` in a chat. */
export async function linkFor(
  api: StandIn,
  { chat_id, message_id }: { chat_id: number; message_id: number },
  ms = 25_000,
): Promise<SharedLink> {
  const answers = (message: ShownMessage) => message.reply_to_message_id === message_id
  const message = await api.waitForMessage(
    chat_id,
    (message) => answers(message) && linkIn(message) !== undefined,
    ms,
  )
  return linkIn(message) as SharedLink
}

/** What the bot has written in a chat, in its present form. */
export async function saidIn(api: StandIn, chatId: number): Promise<string[]> {
  const { messages } = await api.chat(chatId)
  return messages.filter(({ from, deleted }) => from.is_bot && !deleted).map(({ text }) => text ?? '')
}

/** Sends a file whose transfer stands still, and waits for the bot's first answer. */
export async function heldFile(api: StandIn): Promise<Sent> {
  await api.settings({ download_bytes_per_second: 0 })
  const sent = await api.sendFile()
  await api.waitForMessage(sent.chat_id, ({ from }) => from.is_bot)
  return sent
}

/** Lets it go on. */
export async function go(api: StandIn): Promise<void> {
  await api.settings({ download_bytes_per_second: null })
}
