import type { AppContext, WebParts } from '../../context.ts'
import { showNotFound } from '../../core/page.ts'
import { showHome } from './pages.ts'
import { byItself, byNginx } from './serve.ts'
import type { DownloadSettings } from './settings.ts'

/** The pages, and the links: handed to nginx past Koa, or served by this process. */
export function routes(
  { links, store, log }: AppContext,
  { X_ACCEL_PREFIX: prefix }: DownloadSettings,
): WebParts {
  // What nginx's shortcut leaves over is no link.
  const download = prefix === undefined ? byItself(links, store, log) : showNotFound
  return {
    shortcuts: prefix === undefined ? [] : [byNginx(links, store, prefix)],
    routes(router) {
      router.get('/download/:uuid', download).get('/download/:uuid/*name', download)
      router.get('/', showHome)
    },
  }
}
