import { encodeExtended, format } from 'content-disposition'
import { cutName } from '../../core/cut-name.ts'
import type { Downloadable } from '../../links/index.ts'

/** Bytes of a name that Chromium can save: it puts `.crdownload` behind it meanwhile, and 255 are allowed. */
const savable = 240

/** Stands in both forms as it is: attr-char of RFC 8187, 3.2.1. */
const bare = /^[\w!#$&+.^`|~-]{1,240}$/

/**
 * The name under which a browser saves the bytes. Both forms always (RFC 6266, appendix D): Chromium decodes what looks
 * like `=?UTF-8?B?…?=` in the plain one. Programs that know that one alone, such as curl, get the name itself when it is
 * ASCII, and else in percent-encoding, which is at least no other file's.
 */
export function dispositionOf({ name }: Downloadable): string {
  // Most names, and this is asked for with each range.
  if (bare.test(name)) return `attachment; filename=${name}; filename*=UTF-8''${name}`
  const saved = cutName(name, savable)
  const plain = /^[\x20-\x7e]*$/.test(saved) ? saved : encodedToSave(saved)
  const parameters = { filename: plain, 'filename*': encodeExtended(saved) }
  return format({ type: 'attachment', parameters }, { extended: false })
}

/** curl saves under it as it is, and cannot do so when it has more than 255 bytes. */
function encodedToSave(name: string): string {
  const encoded = encodeURIComponent(name)
  // One byte becomes three.
  return encoded.length <= savable ? encoded : encodeURIComponent(cutName(name, savable / 3))
}

/** The sender chose it, and it becomes a header. */
const typeForm = /^[\w!#$&^.+-]{1,63}\/[\w!#$&^.+-]{1,63}$/

export function typeOf({ mime_type }: Downloadable): string {
  return typeForm.test(mime_type) ? mime_type : 'application/octet-stream'
}
