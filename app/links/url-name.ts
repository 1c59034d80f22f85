import { cutName } from '../core/cut-name.ts'

/** Bytes of a name in an address; the whole one goes with the answer. */
const longest = 128

/** Characters of it: wget cuts off the end, with the extension, above 236, and curl -O cannot save above 255. */
const savable = 234

/**
 * `/` and a file's name as the end of an address, for programs that save under that, like wget. Only what no chat, shell
 * or text takes for the end of an address stays as it is: Telegram leaves out a last dot or parenthesis.
 */
export function nameInUrl(name: string): string {
  const encoded = encode(cutName(name.toWellFormed(), longest))
  // One byte becomes three characters.
  const kept = encoded.length <= savable ? encoded : encode(cutName(name.toWellFormed(), savable / 3))
  // `..` leads to another address, in percent-encoding as well.
  return /^(?:\.|%2E)*$/.test(kept) ? '' : `/${kept}`
}

function encode(name: string): string {
  return encodeURIComponent(name).replace(
    /[!'()*~]|\.$/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
