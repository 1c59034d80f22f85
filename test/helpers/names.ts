/** The file name that a browser takes from a Content-Disposition header (RFC 6266, 4.3; RFC 8187). */
export function nameIn(header: string | undefined): string | undefined {
  if (!header?.startsWith('attachment')) return undefined
  const extended = /;\s*filename\*=([^']*)'[^']*'([^;]*)/i.exec(header)
  if (extended) return decodeURIComponent(extended[2] ?? '')
  const quoted = /;\s*filename="((?:[^"\\]|\\.)*)"/i.exec(header)
  if (quoted) return quoted[1]?.replace(/\\(.)/g, '$1')
  return /;\s*filename=([^;\s"]+)/i.exec(header)?.[1]
}
