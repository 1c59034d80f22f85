import type { AppContext, WebParts } from '../../context.ts'
import { html, showPage } from '../../core/page.ts'

/** GET /notes: the newest notes, for anyone. */
export function routes({ database }: AppContext): WebParts {
  return {
    routes(router) {
      router.get('/notes', async (ctx) => {
        const sql = 'SELECT words, counted FROM notes ORDER BY id LIMIT 20'
        const rows = await database.query<{ words: string; counted: number | null }>(sql)
        const items = rows.map(
          ({ words, counted }) => html`<li>${words} (${counted ?? 'not counted yet'})</li>`,
        )
        showPage(ctx, { status: 200, title: 'Notes', body: html`<ul>${items}</ul>`, json: { notes: rows } })
      })
    },
  }
}
