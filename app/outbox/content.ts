import { z } from 'zod'

/** Marks in a text, counted in UTF-16 units (core.telegram.org/bots/api#messageentity). */
const entitySchema = z.looseObject({
  type: z.string(),
  offset: z.int().min(0),
  length: z.int().min(1),
})

/** Words that Telegram shows: its HTML (see `escapeHtml`), or a text with its marks, of which none can be wrong. */
const wordsSchema = z.union([
  z.strictObject({ html: z.string() }),
  z.strictObject({ text: z.string(), entities: z.array(entitySchema).optional() }),
])

/** A file of this machine; its name in the chat is the last part of the path. */
const pathSchema = z.string().regex(/^\//, 'must be an absolute path')

const fileSchema = z.union([
  z.strictObject({ fileId: z.string().min(1) }),
  z.strictObject({ path: pathSchema }),
])

const media = { file: fileSchema, caption: wordsSchema.optional() }
const seconds = z.int().min(0).optional()
const pixels = z.int().min(1).optional()
const moving = {
  width: pixels,
  height: pixels,
  duration: seconds,
  thumbnail: pathSchema.optional(),
  spoiler: z.boolean().optional(),
}

const photoSchema = z.strictObject({
  type: z.literal('photo'),
  ...media,
  spoiler: z.boolean().optional(),
})
const videoSchema = z.strictObject({
  type: z.literal('video'),
  ...media,
  ...moving,
  supportsStreaming: z.boolean().optional(),
})
const audioSchema = z.strictObject({
  type: z.literal('audio'),
  ...media,
  duration: seconds,
  performer: z.string().optional(),
  title: z.string().optional(),
  thumbnail: pathSchema.optional(),
})
const documentSchema = z.strictObject({
  type: z.literal('document'),
  ...media,
  thumbnail: pathSchema.optional(),
})
const animationSchema = z.strictObject({ type: z.literal('animation'), ...media, ...moving })
const voiceSchema = z.strictObject({ type: z.literal('voice'), ...media, duration: seconds })

/** What Telegram takes in one album: pictures and films together, or documents, or audio files. */
const albumSizes = (item: z.ZodType) => z.array(item).min(2).max(10)
const albumSchema = z.strictObject({
  type: z.literal('album'),
  media: z.union([
    albumSizes(z.discriminatedUnion('type', [photoSchema, videoSchema])),
    albumSizes(documentSchema),
    albumSizes(audioSchema),
  ]) as z.ZodType<AlbumMedia[]>,
})

const textSchema = z.strictObject({
  type: z.literal('text'),
  text: z.string().min(1),
  entities: z.array(entitySchema).optional(),
})

/** A long text, in messages that follow each other; who writes it has split it. */
const partsSchema = z.strictObject({ type: z.literal('parts'), parts: z.array(wordsSchema).min(1).max(100) })

const contentSchema = z.discriminatedUnion('type', [
  textSchema,
  partsSchema,
  albumSchema,
  photoSchema,
  videoSchema,
  audioSchema,
  documentSchema,
  animationSchema,
  voiceSchema,
])

export type Words = z.output<typeof wordsSchema>
export type AlbumMedia =
  | z.output<typeof photoSchema>
  | z.output<typeof videoSchema>
  | z.output<typeof audioSchema>
  | z.output<typeof documentSchema>
export type Media = AlbumMedia | z.output<typeof animationSchema> | z.output<typeof voiceSchema>

/** What a message shows, when that is more than a text in Telegram's HTML. */
export type Content = z.output<typeof contentSchema>

/** Of what a row holds: a later release that changes a type in place counts on. */
const version = 1

/**
 * The form in which a row keeps it.
 * @throws Error when Telegram would never take it: a mistake of who wrote it
 */
export function encodeContent(content: Content): string {
  const { success, error } = contentSchema.safeParse(content)
  if (!success) throw new Error(`a message that Telegram cannot show: ${z.prettifyError(error)}`)
  return JSON.stringify({ v: version, ...content })
}

/** What a row keeps; undefined when this release does not know it. */
export function decodeContent(json: string): Content | undefined {
  const { v, ...content } = parse(json) as { v?: unknown }
  if (v !== version) return undefined
  return contentSchema.safeParse(content).data
}

/**
 * Messages that the call for a row makes in its chat, as the limiter must know before the row is read: of uploads alone,
 * which let others of their chat pass.
 */
export function messagesIn({ kind, content }: { kind: string | null; content: string | null }): number {
  const upload = kind === 'upload' && content !== null ? decodeContent(content) : undefined
  return upload?.type === 'album' ? upload.media.length : 1
}

/** Whether the Bot API server sends bytes of this machine for it, which may take minutes. */
export function isUpload(content: Content): boolean {
  if (content.type === 'text' || content.type === 'parts') return false
  const all = content.type === 'album' ? content.media : [content]
  return all.some(({ file }) => 'path' in file)
}

function parse(json: string): object {
  try {
    return Object(JSON.parse(json))
  } catch {
    return {}
  }
}
