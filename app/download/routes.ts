import type Router from '@koa/router'
import type { House } from '../house.ts'
import { healthPage } from './health.ts'
import { home, show } from './pages.ts'
import { byItself, byNginx, downloads } from './serve.ts'
import type { DownloadSettings } from './settings.ts'

export function routes(router: Router, house: House, { X_ACCEL_PREFIX }: DownloadSettings): void {
  const { links, store, health, database, log } = house
  const serve = X_ACCEL_PREFIX === undefined ? byItself(store, log) : byNginx(store, X_ACCEL_PREFIX)
  const decide = downloads(links, serve)
  // The name after the UUID is for people and download managers; any will do.
  router.get('/download/:uuid', decide).get('/download/:uuid/*name', decide)
  router.get('/', (ctx) => show(ctx, home))
  router.get('/health', healthPage(health, database))
}
