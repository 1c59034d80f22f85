/**
 * `name` in at most so many bytes of UTF-8: its extension is kept, `.tar.gz` too, and no visible character is split,
 * unless the first one, a heap of accents, is too long by itself: no name at all would be worse.
 */
export function cutName(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  const extension = /(?:\.tar)?\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''
  return cut(name.slice(0, name.length - extension.length), bytes - extension.length) + extension
}

/** The longest start of `text` that fits into `bytes` and splits no visible character, unless the first is too long. */
export function cut(text: string, bytes: number): string {
  const visible = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  return (start(visible, bytes) || start(text, bytes)).trimEnd()
}

function start(parts: Iterable<string>, bytes: number): string {
  let kept = ''
  let left = bytes
  for (const part of parts) {
    left -= Buffer.byteLength(part)
    if (left < 0) break
    kept += part
  }
  return kept
}
