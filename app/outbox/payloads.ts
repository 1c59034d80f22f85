import { pathToFileURL } from 'node:url'
import type { Media, Words } from './content.ts'
import type { LinkPreview, SendingOptions } from './message.ts'
import type { Item } from './pieces.ts'

/** Where a message goes, and how. */
export interface Spot {
  chat_id: number
  thread_id: number | null
  reply_to: number | null
  options: SendingOptions
}

export function placeOf({ chat_id, thread_id, reply_to, options }: Spot): object {
  const { silent, protect, quote } = options
  return {
    chat_id,
    ...(thread_id !== null && { message_thread_id: thread_id }),
    ...(silent && { disable_notification: true }),
    ...(protect && { protect_content: true }),
    ...(reply_to !== null && {
      reply_parameters: {
        message_id: reply_to,
        allow_sending_without_reply: true,
        ...(quote && { ...wordsOf(quote, 'quote'), quote_position: quote.position }),
      },
    }),
  }
}

export function textOf({ words, preview }: Item): object {
  const link_preview_options: LinkPreview = preview ?? { is_disabled: true }
  return { ...(words && wordsOf(words, 'text')), link_preview_options }
}

export function captionOf(words: Words | undefined): object {
  return words ? wordsOf(words, 'caption') : {}
}

/** Words under the names that a text, a caption and a quote have for them. */
export function wordsOf(words: Words, name: 'text' | 'caption' | 'quote'): object {
  const mode = name === 'quote' ? 'quote_parse_mode' : 'parse_mode'
  if ('html' in words) return { [name]: words.html, [mode]: 'HTML' }
  const marks = name === 'text' ? 'entities' : `${name}_entities`
  return { [name]: words.text, ...(words.entities?.length && { [marks]: words.entities }) }
}

export function markupOf({ keyboard }: Item): object {
  return keyboard ? { reply_markup: { inline_keyboard: keyboard } } : {}
}

export function inputMedia(media: Media): object {
  return { type: media.type, media: fileOf(media), ...propertiesOf(media), ...captionOf(media.caption) }
}

/** The same as a method of its own takes it. */
export function mediaOf(media: Media): object {
  return { [media.type]: fileOf(media), ...propertiesOf(media), ...captionOf(media.caption) }
}

function fileOf({ file }: Media): string {
  return 'path' in file ? pathToFileURL(file.path).href : file.fileId
}

/** What Telegram is told of a file besides its bytes; without its size a large film is shown as a small square. */
function propertiesOf({ type, file, caption, ...properties }: Media): object {
  const { spoiler, supportsStreaming, thumbnail, ...same } = properties as {
    spoiler?: boolean
    supportsStreaming?: boolean
    thumbnail?: string
  }
  return {
    ...same,
    ...(spoiler && { has_spoiler: true }),
    ...(supportsStreaming && { supports_streaming: true }),
    ...(thumbnail !== undefined && { thumbnail: pathToFileURL(thumbnail).href }),
  }
}
