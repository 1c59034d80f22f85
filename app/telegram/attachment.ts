import type { Message } from 'telegraf/types'
import { safeName } from './file-name.ts'

/** The file of a message, as Telegram describes it. */
export interface Attachment {
  kind: string
  fileId: string
  fileUniqueId: string
  /** Bytes; Telegram may leave it out. */
  size: number | undefined
  /** Safe for a file system and a header. */
  name: string
  mimeType: string
}

interface TelegramFile {
  file_id: string
  file_unique_id: string
  file_size?: number
  file_name?: string
  mime_type?: string
  performer?: string
  title?: string
}

// An animation also comes as a `document`, so the more exact kinds stand first.
const kinds = {
  animation: { mimeType: 'video/mp4', extension: 'mp4' },
  video: { mimeType: 'video/mp4', extension: 'mp4' },
  audio: { mimeType: 'audio/mpeg', extension: 'mp3' },
  voice: { mimeType: 'audio/ogg', extension: 'ogg' },
  video_note: { mimeType: 'video/mp4', extension: 'mp4' },
  photo: { mimeType: 'image/jpeg', extension: 'jpg' },
  document: { mimeType: 'application/octet-stream', extension: '' },
} as const

type Kind = keyof typeof kinds

/** A message as far as its file goes; an answer to one of another chat has the same fields. */
type Carrier = Pick<Message, 'date' | 'message_id'>

/** The file that a message carries, or undefined when it carries none. */
export function attachmentOf(message: Carrier): Attachment | undefined {
  for (const kind of Object.keys(kinds) as Kind[]) {
    const file = fileOf(message, kind)
    if (file) return describe(kind, file, message)
  }
  return undefined
}

function fileOf(message: Carrier, kind: Kind): TelegramFile | undefined {
  const files = message as unknown as Partial<Record<Kind, TelegramFile | TelegramFile[]>>
  const found = files[kind]
  if (!Array.isArray(found)) return found
  // A photo comes in several sizes.
  return found.reduce<TelegramFile | undefined>(
    (largest, file) => ((file.file_size ?? 0) >= (largest?.file_size ?? 0) ? file : largest),
    undefined,
  )
}

function describe(kind: Kind, file: TelegramFile, message: Carrier): Attachment {
  const { mimeType, extension } = kinds[kind]
  return {
    kind,
    fileId: file.file_id,
    fileUniqueId: file.file_unique_id,
    size: file.file_size,
    name: safeName(file.file_name ?? invented(file)) || invented({}),
    mimeType: isMimeType(file.mime_type) ? file.mime_type : mimeType,
  }

  /** The photos of an album have one time: their messages tell them apart. */
  function invented({ performer, title }: Partial<TelegramFile>): string {
    const time = new Date(message.date * 1000)
      .toISOString()
      .slice(0, 19)
      .replace('T', '_')
      .replaceAll(':', '-')
    const stem = [performer, title].filter(Boolean).join(' - ') || `${kind}_${time}_${message.message_id}`
    return extension ? `${stem}.${extension}` : stem
  }
}

/** The sender chooses it, and it becomes a header: only type and subtype (RFC 9110, 8.3.1) are let through. */
function isMimeType(text: string | undefined): text is string {
  return text !== undefined && /^[a-z0-9!#$&^_.+-]{1,60}\/[a-z0-9!#$&^_.+-]{1,60}$/i.test(text)
}
