import { createHash } from 'node:crypto'
import { type Content, decodeContent, type Media, type Words } from './content.ts'
import type { Button, LinkPreview, MessageRow, SendingOptions } from './message.ts'

/** One message of Telegram's. */
export interface Item {
  type: 'text' | Media['type']
  words: Words | undefined
  media?: Media
  keyboard?: Button[][] | undefined
  preview?: LinkPreview | undefined
}

/** What one call sends: a message, or all of an album. */
export type Piece = Item[]

/** A file as Telegram knows it, with which this bot can send it again. */
export interface SentFile {
  type: Media['type']
  fileId: string
  fileUniqueId: string
}

/** In the place of an id: the message of an album that was not found after a crash. */
export const unknownId = 0

/** What the chat shows of an item. */
export interface ShownItem {
  id: number
  type: Item['type']
  /** Of its words and buttons, and of its file; undefined when that is not known. */
  words?: string
  file?: string
  /** Not known when Telegram's answer was lost. */
  sent?: SentFile
}

export type ShownPiece = ShownItem[]

/** Why a row is not sent: it waits for the release that wrote it. */
export const unknownContent = 'written by another release'

/** What a row asks for. */
export interface Wanted {
  pieces: Piece[]
  options: SendingOptions
}

/** Reads a row; undefined when this release does not know what it holds. */
export function wantedOf(row: MessageRow): Wanted | undefined {
  const options = (tryParse(row.options) ?? {}) as SendingOptions
  const keyboard = hasBrokenKeyboard(row) ? undefined : (tryParse(row.keyboard) as Button[][] | undefined)
  // A release that knows no contents has written a text into the row since.
  if (row.content === null || row.text !== '') {
    return {
      pieces: [[{ type: 'text', words: { html: row.text }, keyboard, preview: options.preview }]],
      options,
    }
  }
  const content = decodeContent(row.content)
  return content && { pieces: piecesOf(content, keyboard, options.preview), options }
}

/** One damaged row must keep nothing of its chat from arriving. */
export function hasBrokenKeyboard({ keyboard }: MessageRow): boolean {
  return keyboard !== null && !Array.isArray(tryParse(keyboard))
}

/** What the chat shows of a row. */
export function shownOf({ delivered, message_id: id }: MessageRow): ShownPiece[] {
  const pieces = tryParse(delivered)
  if (Array.isArray(pieces)) return pieces
  return id === null ? [] : [[{ id, type: 'text' }]]
}

/** The form in which a row keeps that: one text has its `message_id`. */
export function deliveredOf(pieces: ShownPiece[]): string | null {
  const [first] = pieces
  const isText = pieces.length === 1 && first?.length === 1 && first[0]?.type === 'text'
  return pieces.length === 0 || isText ? null : JSON.stringify(pieces)
}

/** Telegram's ids, in their order. */
export function idsIn(shown: ShownPiece[]): number[] {
  return shown.flatMap((piece) => piece.map(({ id }) => id)).filter((id) => id !== unknownId)
}

/** Of an item as the chat will show it. */
export function marksOf({ words, media, keyboard, preview }: Item): { words: string; file?: string } {
  const marks = { words: hash([words, keyboard, preview]) }
  if (!media) return marks
  const { caption, ...file } = media
  return { ...marks, file: hash(file) }
}

/** Whether what is shown can be made the other by edits. */
export function canBecome(shown: ShownPiece, wanted: Piece): boolean {
  return (
    shown.length === wanted.length && shown.every((item, at) => canChange(item, wanted[at], shown.length > 1))
  )
}

function canChange(shown: ShownItem, wanted: Item | undefined, isAlbum: boolean): boolean {
  if (!wanted) return false
  if (shown.type === 'text' || wanted.type === 'text') return shown.type === wanted.type
  if (shown.file === marksOf(wanted).file) return true
  // Telegram puts no other file in the place of a voice message, nor a voice message in that of another file.
  if (shown.type === 'voice' || wanted.type === 'voice') return false
  return !isAlbum || albumOf(shown.type) === albumOf(wanted.type)
}

/** Pictures and films stand in the same albums. */
function albumOf(type: Item['type']): Item['type'] {
  return type === 'video' ? 'photo' : type
}

function piecesOf(
  content: Content,
  keyboard: Button[][] | undefined,
  preview: LinkPreview | undefined,
): Piece[] {
  switch (content.type) {
    case 'text': {
      const { text, entities } = content
      return [[{ type: 'text', words: { text, entities }, keyboard, preview }]]
    }
    case 'parts': {
      const last = content.parts.length - 1
      return content.parts.map((words, at) => [
        { type: 'text', words, keyboard: at === last ? keyboard : undefined, preview },
      ])
    }
    case 'album':
      return [content.media.map((media) => ({ type: media.type, words: media.caption, media }))]
    default:
      return [[{ type: content.type, words: content.caption, media: content, keyboard }]]
  }
}

function hash(value: unknown): string {
  return createHash('sha1').update(JSON.stringify(value)).digest('base64url').slice(0, 12)
}

function tryParse(json: string | null): unknown {
  try {
    return json === null ? undefined : JSON.parse(json)
  } catch {
    return undefined
  }
}
