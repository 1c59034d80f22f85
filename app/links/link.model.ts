import { bigint, key, optional, type RowOf, table, text } from '../core/database/model.ts'

export const linkTable = table('links', {
  uuid: key(text),
  user_id: bigint,
  name: text,
  mime_type: text,
  size: bigint,
  file_unique_id: text,
  bot_id: bigint,
  file_id: text,
  chat_id: bigint,
  message_id: bigint,
  created_at: bigint,
  expires_at: optional(bigint),
  missing_at: optional(bigint),
  removed_at: optional(bigint),
})

/** How many living links share one content. */
export const contentTable = table('contents', {
  file_unique_id: key(text),
  size: key(bigint),
  links: bigint,
})

/** Bytes in use, by their owner; see `Usage`. */
export const usageTable = table('link_usage', { owner: key(bigint), bytes: bigint })

export type LinkRow = RowOf<typeof linkTable>
