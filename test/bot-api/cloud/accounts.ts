import type { Change, FeedEntry, Message } from './records.ts'

export type BotAccount = {
  id: number
  tokenHash: string | undefined
  revoked: Set<string>
  blockedBy: Set<number>
  /** Whether it hears in groups only what is meant for it, as @BotFather sets it for a new bot. */
  hasPrivacy: boolean
  profile: Map<string, unknown>
  feed: FeedEntry[]
  lastMessageId: number
}

export function newAccount(id: number): BotAccount {
  return {
    id,
    tokenHash: undefined,
    revoked: new Set(),
    blockedBy: new Set(),
    hasPrivacy: true,
    profile: new Map(),
    feed: [],
    lastMessageId: 0,
  }
}

/** Makes an edit and remembers it. */
export function applyChange(message: Message, at: number, change: Change): void {
  if (change.text !== undefined) message.text = change.text
  if (change.caption !== undefined) message.caption = change.caption
  if (change.text !== undefined || change.caption !== undefined) message.entities = change.entities
  if (change.media !== undefined) message.media = change.media
  message.inline_keyboard = change.inline_keyboard
  if (change.link_preview_disabled !== undefined) message.link_preview_disabled = change.link_preview_disabled
  message.edited_at = at
  const edit = { at, text: message.text ?? message.caption, inline_keyboard: change.inline_keyboard }
  message.edits.push(edit)
}
