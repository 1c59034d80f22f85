import type { Context } from '../../core/http.ts'
import { html, type Page, showPage } from '../../core/page.ts'

export function showHome(ctx: Context): void {
  showPage(ctx, home)
}

const home: Page = {
  status: 200,
  title: 'tgdepot',
  body: html`<p>Files sent to a Telegram bot, as links. To download one, open the link that you were given.</p>`,
  json: { service: 'tgdepot' },
}
