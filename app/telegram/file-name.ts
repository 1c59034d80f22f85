import { cut } from '../core/cut-name.ts'

/** Bytes that the usual file systems allow for a name. */
const maxBytes = 255

// Control characters; path separators; and the marks that turn the direction of writing, with which
// `gpj.exe` shows as `exe.jpg`.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const unsafe = /[\u0000-\u001f\u007f-\u009f/\\\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g

/**
 * A sender's file name as it can be saved anywhere: without paths, control characters and lone surrogates, at most
 * 255 bytes of UTF-8, its extension kept, also a double one like `.tar.gz`. Empty when nothing is left to see.
 */
export function safeName(name: string): string {
  const clean = name.toWellFormed().replace(unsafe, ' ').replace(/\s+/g, ' ').trim()
  // Characters of the class Cf, like U+200B, show nothing.
  if (/^[.\s\p{Cf}]*$/u.test(clean)) return ''
  if (Buffer.byteLength(clean) <= maxBytes) return clean
  const extension = /(?:\.[A-Za-z0-9]{1,8})?\.[A-Za-z0-9]{1,16}$/.exec(clean)?.[0] ?? ''
  return cut(clean.slice(0, clean.length - extension.length), maxBytes - extension.length) + extension
}
