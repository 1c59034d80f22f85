import { cutName } from '../core/cut-name.ts'

/** Bytes of a name in an address, where each may take three characters; the whole one goes with the answer. */
const longest = 128

/**
 * `/` and a file's name as the end of an address, for programs that save under that, like wget. Only what no chat, shell
 * or text takes for the end of an address stays as it is: Telegram leaves out a last dot or parenthesis.
 */
export function nameInUrl(name: string): string {
  const encoded = encodeURIComponent(cutName(name.toWellFormed(), longest)).replace(
    /[!'()*~]|\.$/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  // `..` leads to another address, in percent-encoding as well.
  return /^(?:\.|%2E)*$/.test(encoded) ? '' : `/${encoded}`
}
