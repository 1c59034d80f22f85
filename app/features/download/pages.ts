import type { Context } from 'koa'

const style = `body{font:17px/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto 0;padding:0 1.5rem;color:#1c1c1e;
background:#fafaf8}h1{font-size:1.5rem;line-height:1.3;margin:0 0 .6rem}p{margin:.4rem 0}
@media(prefers-color-scheme:dark){body{color:#e8e8ea;background:#17181a}}`

interface Page {
  status: number
  title: string
  text: string
  /** The same for programs. */
  json: object
}

/** Answers with a page, or with JSON where the client asks for that first. */
function show(ctx: Context, { status, title, text, json }: Page): void {
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
<title>${title}</title>
<style>${style}</style>
<h1>${title}</h1>
<p>${text}</p>
</html>
`
}

export function showHome(ctx: Context): void {
  show(ctx, home)
}

/** The one answer to a link that never was, is malformed, has expired or was removed: nobody learns which. */
export function noSuchFile(ctx: Context): void {
  show(ctx, notFound)
}

/** What cannot be looked up or read now, and will be again. */
export function comeAgain(ctx: Context): void {
  ctx.set('Retry-After', '10')
  show(ctx, busy)
}

const home: Page = {
  status: 200,
  title: 'tgdepot',
  text: 'Files sent to a Telegram bot, as links. To download one, open the link that you were given.',
  json: { service: 'tgdepot' },
}

const notFound: Page = {
  status: 404,
  title: 'There is no such file',
  text: 'The link is wrong, or its time is over. Ask whoever gave it to you for a new one.',
  json: { error: 'not_found', message: 'The link is wrong, or its time is over.' },
}

const busy: Page = {
  status: 503,
  title: 'Please try again in a moment',
  text: 'The files of this service cannot be reached right now. Nothing is lost: the same link will work again.',
  json: { error: 'unavailable', message: 'The files cannot be reached right now. Please try again.' },
}
