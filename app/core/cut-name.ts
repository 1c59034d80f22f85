/** `name` in at most so many bytes of UTF-8: its extension is kept, `.tar.gz` too, and no visible character is split. */
export function cutName(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  const extension = /(?:\.tar)?\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''
  let kept = ''
  let left = bytes - extension.length
  for (const { segment } of new Intl.Segmenter().segment(name.slice(0, name.length - extension.length))) {
    left -= Buffer.byteLength(segment)
    if (left < 0) break
    kept += segment
  }
  return kept.trimEnd() + extension
}
