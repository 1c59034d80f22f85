const SCHEMES = new Set(['http:', 'https:', 'tg:', 'ton:', 'tonsite:'])

/** Why Telegram refuses this URL in a button or a link; undefined if it takes it. */
export function checkLink(url: string): string | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:/i.test(url) && !/^[^/]+:\d+(\/|$)/.test(url) ? url : `http://${url}`
  let parsed: URL
  try {
    parsed = new URL(withScheme)
  } catch {
    return 'Wrong HTTP URL'
  }
  if (!SCHEMES.has(parsed.protocol)) return 'Unsupported URL protocol'
  if (parsed.protocol === 'tg:' || parsed.protocol === 'ton:') return undefined
  const host = parsed.hostname
  if (host.includes(' ') || (!host.includes('.') && !host.startsWith('['))) return 'Wrong HTTP URL'
  return undefined
}
