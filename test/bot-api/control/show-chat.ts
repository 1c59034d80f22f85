import type { Cloud } from '../cloud/cloud.ts'
import type { Button, Draft, Edit, Entity, Kind, Message } from '../cloud/records.ts'

export type ShownFile = {
  kind: Kind
  file_name?: string
  mime_type?: string
  file_unique_id: string
  file_size: number
  /** What the bot said of it, as the API names it. */
  said?: Record<string, unknown>
}

export type ShownMessage = {
  message_id: number
  from: { id: number; is_bot: boolean }
  at: number
  text?: string
  caption?: string
  file?: ShownFile
  entities?: Entity[]
  reply_to_message_id?: number
  message_thread_id?: number
  inline_keyboard?: Button[][]
  link_preview_disabled?: boolean
  media_group_id?: string
  quote?: string
  silent?: boolean
  protected?: boolean
  reaction?: string[]
  deleted?: boolean
  edits: Edit[]
}

export type ShownChat = {
  messages: ShownMessage[]
  answers: { callback_query_id: string; text: string; show_alert: boolean; at: number }[]
  drafts: Draft[]
}

/** What a chat with this bot shows, deleted messages included; times in milliseconds. */
export function showChat(cloud: Cloud, botId: number, chatId: number): object {
  const conversation = cloud.conversation(botId, chatId)
  return {
    messages: [...conversation.messages.values()].map((message) => show(cloud, message)),
    answers: conversation.answers,
    drafts: conversation.drafts,
  }
}

function show(cloud: Cloud, message: Message): object {
  const { media, entities, edited_at, ...rest } = message
  const file = media && cloud.files.get(media.file)
  return {
    ...rest,
    entities: entities?.length ? entities : undefined,
    file: file && {
      kind: media.kind,
      file_name: media.name,
      mime_type: media.mime_type,
      file_unique_id: file.unique_id,
      file_size: file.size,
      said: media.said,
    },
  }
}
