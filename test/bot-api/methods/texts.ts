import type { Entity } from '../cloud/records.ts'
import { badRequest } from '../server/api-error.ts'
import type { Params } from '../server/params.ts'
import { findEntities } from '../server/render.ts'
import { parseHtml } from './html.ts'

const MAX_TEXT = 4096
const MAX_CAPTION = 1024

export type Rendered = { text: string; entities: Entity[] }

/** The text of a message as its chat shows it. */
export function readText(params: Params): Rendered {
  if (!params.has('text')) throw badRequest('message text is empty')
  const rendered = render(params, params.text('text'), 'entities')
  if (rendered.text === '') throw badRequest('text must be non-empty')
  if (rendered.text.length > MAX_TEXT) throw badRequest('message is too long')
  return rendered
}

/** The caption of a file; undefined without one. */
export function readCaption(params: Params): Rendered | undefined {
  if (!params.has('caption')) return undefined
  const rendered = render(params, params.text('caption'), 'caption_entities')
  if (rendered.text.length > MAX_CAPTION) throw badRequest('message caption is too long')
  return rendered
}

export function isPreviewDisabled(params: Params): boolean {
  const options = params.json('link_preview_options', 'link preview options') as
    | { is_disabled?: boolean }
    | undefined
  return options?.is_disabled === true || params.flag('disable_web_page_preview')
}

function render(params: Params, source: string, entitiesName: string): Rendered {
  const mode = params.text('parse_mode').toLowerCase()
  if (mode === 'html') return trim(withMarks(parseHtml(source)))
  if (mode !== '' && mode !== 'none') throw badRequest('unsupported parse_mode')
  const given = params.json(entitiesName, 'message entities') as Entity[] | undefined
  return trim({ text: source, entities: given ?? findEntities(source) })
}

/** Adds what Telegram marks by itself, outside of code and of links that are there. */
function withMarks({ text, entities }: Rendered): Rendered {
  const taken = entities.filter(({ type }) => ['code', 'pre', 'text_link'].includes(type))
  const found = findEntities(text).filter(
    (mark) => !taken.some((e) => mark.offset < e.offset + e.length && e.offset < mark.offset + mark.length),
  )
  return {
    text,
    entities: [...entities, ...found].sort((a, b) => a.offset - b.offset || b.length - a.length),
  }
}

/** Telegram cuts white space at both ends; entities move with the text. */
function trim({ text, entities }: Rendered): Rendered {
  const start = text.length - text.trimStart().length
  const trimmed = text.trim()
  const moved = entities.flatMap((entity) => {
    const from = Math.max(entity.offset - start, 0)
    const to = Math.min(entity.offset - start + entity.length, trimmed.length)
    return to > from ? [{ ...entity, offset: from, length: to - from }] : []
  })
  return { text: trimmed, entities: moved }
}
