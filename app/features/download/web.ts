import type { AppContext, WebParts } from '../../context.ts'
import { showNotFound, showUnavailable } from '../../core/page.ts'
import { healthPage } from './health.ts'
import { showHome } from './pages.ts'
import { byItself, byNginx } from './serve.ts'
import type { DownloadSettings } from './settings.ts'

/** The pages, and the links: handed to nginx past Koa, or served by this process. */
export function routes(
  { links, store, health, database, log }: AppContext,
  settings: DownloadSettings,
): WebParts {
  const { X_ACCEL_PREFIX: prefix, ADMIN_TOKEN } = settings
  // What nginx's shortcut leaves over is no link.
  const download = prefix === undefined ? byItself(links, store, log) : showNotFound
  return {
    shortcuts: prefix === undefined ? [] : [byNginx(links, store, prefix)],
    routes(router) {
      router.get('/download/:uuid', download).get('/download/:uuid/*name', download)
      router.get('/', showHome)
      // nginx asks for it when the whole store is away.
      router.get('/unavailable', showUnavailable)
      router.get('/health', healthPage(health, database, ADMIN_TOKEN))
    },
  }
}
