import type { Context } from 'koa'

/** A piece of HTML; {@link html} alone makes one, so whatever came from outside is text in it. */
class Html {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

export type { Html }

type Piece = string | number | Html

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const sourceOf = (piece: Piece) =>
  piece instanceof Html ? piece.source : String(piece).replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)

/**
 * HTML with values in it: text and numbers are escaped, pieces of HTML and lists of them stand as they are. A value is
 * safe between tags and in a quoted attribute, but not as an address: `javascript:` needs no sign that is escaped.
 */
export function html(strings: TemplateStringsArray, ...values: (Piece | Piece[])[]): Html {
  const texts = values.map((value) => (Array.isArray(value) ? value.map(sourceOf).join('') : sourceOf(value)))
  return new Html(String.raw({ raw: strings }, ...texts))
}

const style = `body{font:17px/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto 0;padding:0 1.5rem;color:#1c1c1e;
background:#fafaf8}h1{font-size:1.5rem;line-height:1.3;margin:0 0 .6rem}p{margin:.4rem 0}
@media(prefers-color-scheme:dark){body{color:#e8e8ea;background:#17181a}}`

/** What a visitor is shown. */
export interface Page {
  status: number
  title: string
  /** What stands below the title. */
  body: Html
  /** The same for programs. */
  json: object
}

/** Answers with a page, or with JSON where the client asks for that first. Nobody keeps it, and no script runs in it. */
export function showPage(ctx: Context, { status, title, body, json }: Page): void {
  ctx.status = status
  ctx.vary('Accept')
  ctx.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Robots-Tag': 'noindex',
  })
  if (ctx.accepts('html', 'json') === 'json') {
    ctx.body = json
    return
  }
  ctx.type = 'html'
  ctx.body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${html`<title>${title}</title>`.source}
<style>${style}</style>
${html`<h1>${title}</h1>`.source}
${body.source}
</html>
`
}

/**
 * For what no route knows, and the one answer to a link that never was, is malformed, has expired or was removed: nobody
 * learns which.
 */
export function showNotFound(ctx: Context): void {
  showPage(ctx, notFound)
}

/** What cannot be looked up or read now, and will be again. */
export function showUnavailable(ctx: Context): void {
  ctx.set('Retry-After', '10')
  showPage(ctx, unavailable)
}

const notFound: Page = {
  status: 404,
  title: 'There is no such file',
  body: html`<p>The link is wrong, or its time is over. Ask whoever gave it to you for a new one.</p>`,
  json: { error: 'not_found', message: 'The link is wrong, or its time is over.' },
}

const unavailable: Page = {
  status: 503,
  title: 'Please try again in a moment',
  body: html`<p>The files of this service cannot be reached right now. Nothing is lost: the same link will work again.</p>`,
  json: { error: 'unavailable', message: 'The files cannot be reached right now. Please try again.' },
}
