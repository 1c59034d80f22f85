/**
 * `name` in at most so many bytes of UTF-8: its extension is kept, `.tar.gz` too, and no visible character is split,
 * unless the first one, a heap of accents, is too long by itself: no name at all would be worse.
 */
export function cutName(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  const extension = /(?:\.tar)?\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''
  const stem = name.slice(0, name.length - extension.length)
  const room = bytes - extension.length
  const visible = Array.from(new Intl.Segmenter().segment(stem), ({ segment }) => segment)
  return (firstOf(visible, room) || firstOf([...stem], room)).trimEnd() + extension
}

/** As many parts from the beginning as have room. */
function firstOf(parts: string[], bytes: number): string {
  let left = bytes
  const end = parts.findIndex((part) => {
    left -= Buffer.byteLength(part)
    return left < 0
  })
  return parts.slice(0, end < 0 ? parts.length : end).join('')
}
