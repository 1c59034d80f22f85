import type { Entity } from '../cloud/records.ts'
import { badRequest } from '../server/api-error.ts'
import { checkLink } from './links.ts'

const ENTITY_OF_TAG: Record<string, string> = {
  a: 'text_link',
  b: 'bold',
  strong: 'bold',
  i: 'italic',
  em: 'italic',
  u: 'underline',
  ins: 'underline',
  s: 'strikethrough',
  strike: 'strikethrough',
  del: 'strikethrough',
  'tg-spoiler': 'spoiler',
  span: 'spoiler',
  'tg-emoji': 'custom_emoji',
  code: 'code',
  pre: 'pre',
  blockquote: 'blockquote',
}

const NAMED_CHARACTERS: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' }

type Open = { tag: string; attributes: Map<string, string>; start: number; at: number }

/** Reads parse_mode HTML: the text that a chat shows and its entities. 400 as the server words it. */
export function parseHtml(source: string): { text: string; entities: Entity[] } {
  const entities: Entity[] = []
  const open: Open[] = []
  let text = ''
  let position = 0
  while (position < source.length) {
    const character = source[position]
    if (character === '&') {
      const { decoded, length } = decodeCharacter(source, position)
      text += decoded
      position += length
    } else if (character !== '<') {
      text += character
      position++
    } else if (source[position + 1] === '/') {
      position = closeTag(source, position, open, entities, text)
    } else {
      position = openTag(source, position, open, text)
    }
  }
  const unclosed = open.at(-1)
  if (unclosed) throw unparsable(`Can't find end tag corresponding to start tag "${unclosed.tag}"`)
  const order = (a: Entity, b: Entity) => a.offset - b.offset || b.length - a.length
  return { text, entities: entities.sort(order) }
}

function openTag(source: string, position: number, open: Open[], text: string): number {
  const at = byteOffset(source, position)
  const name = /[^\s>/]*/y
  name.lastIndex = position + 1
  const tag = (name.exec(source)?.[0] ?? '').toLowerCase()
  if (source.indexOf('>', position) < 0 && tag in ENTITY_OF_TAG) {
    throw unparsable(`Unclosed start tag at byte offset ${at}`)
  }
  if (!Object.hasOwn(ENTITY_OF_TAG, tag)) {
    throw unparsable(`Unsupported start tag "${tag}" at byte offset ${at}`)
  }
  const { attributes, end } = readAttributes(source, name.lastIndex, tag, at)
  if (tag === 'span' && attributes.get('class') !== 'tg-spoiler') {
    throw unparsable(`Tag "span" must have class "tg-spoiler" at byte offset ${at}`)
  }
  open.push({ tag, attributes, start: text.length, at })
  return end
}

function readAttributes(source: string, from: number, tag: string, at: number) {
  const attributes = new Map<string, string>()
  const attribute = /\s+([^\s=>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([a-zA-Z0-9.-]+)))?/y
  attribute.lastIndex = from
  let end = from
  for (let match = attribute.exec(source); match; match = attribute.exec(source)) {
    const value = match[2] ?? match[3] ?? match[4] ?? ''
    attributes.set((match[1] ?? '').toLowerCase(), parseEntitiesIn(value))
    end = attribute.lastIndex
  }
  const close = /\s*>/y
  close.lastIndex = end
  if (!close.exec(source)) {
    const isCutOff = source.indexOf('>', end) < 0
    if (isCutOff) throw unparsable(`Unclosed start tag "${tag}" at byte offset ${at}`)
    const place = `of the tag "${tag}" at byte offset ${at}`
    throw unparsable(`Expected equal sign in declaration of an attribute ${place}`)
  }
  return { attributes, end: close.lastIndex }
}

function closeTag(source: string, position: number, open: Open[], entities: Entity[], text: string): number {
  const at = byteOffset(source, position)
  const end = source.indexOf('>', position)
  if (end < 0) throw unparsable(`Unclosed end tag at byte offset ${at}`)
  const tag = source
    .slice(position + 2, end)
    .trim()
    .toLowerCase()
  const last = open.pop()
  if (!last) throw unparsable(`Unexpected end tag at byte offset ${at}`)
  if (tag !== '' && tag !== last.tag) {
    throw unparsable(`Unmatched end tag at byte offset ${at}, expected "</${last.tag}>", found "</${tag}>"`)
  }
  const entity = entityOf(last, text)
  if (entity && entity.length > 0) entities.push(entity)
  return end + 1
}

function entityOf({ tag, attributes, start }: Open, text: string): Entity | undefined {
  const entity: Entity = { type: ENTITY_OF_TAG[tag] ?? '', offset: start, length: text.length - start }
  if (tag === 'a') {
    const url = attributes.get('href') ?? text.slice(start)
    // A link that Telegram does not take stays plain text, without a word.
    return checkLink(url) === undefined ? { ...entity, url } : undefined
  }
  if (tag === 'blockquote' && attributes.has('expandable'))
    return { ...entity, type: 'expandable_blockquote' }
  if (tag === 'tg-emoji') return { ...entity, custom_emoji_id: attributes.get('emoji-id') }
  return entity
}

function decodeCharacter(source: string, position: number): { decoded: string; length: number } {
  const reference = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));?/y
  reference.lastIndex = position
  const match = reference.exec(source)
  const plain = { decoded: '&', length: 1 }
  if (!match) return plain
  const [whole, decimal, hex, name] = match
  if (name !== undefined) {
    const decoded = NAMED_CHARACTERS[name]
    return decoded === undefined ? plain : { decoded, length: whole.length }
  }
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
  if (code === 0 || code > 0x10ffff) return plain
  return { decoded: String.fromCodePoint(code), length: whole.length }
}

function parseEntitiesIn(value: string): string {
  return value.replace(/&[^;\s]{1,9};/g, (reference) => {
    const { decoded, length } = decodeCharacter(reference, 0)
    return length === reference.length ? decoded : reference
  })
}

function byteOffset(source: string, position: number): number {
  return Buffer.byteLength(source.slice(0, position))
}

function unparsable(reason: string) {
  return badRequest(`can't parse entities: ${reason}`)
}
