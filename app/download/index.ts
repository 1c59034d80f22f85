import type { Feature } from '../house.ts'
import { healthPage } from './health.ts'
import { home, show } from './pages.ts'
import { byItself, byNginx, downloads } from './serve.ts'
import { downloadSettings } from './settings.ts'

/** The HTTP side: pages, health and downloads. */
export const download: Feature<typeof downloadSettings> = {
  name: 'download',
  settings: downloadSettings,
  web: ({ links, store, health, database, log }, { X_ACCEL_PREFIX }) => ({
    routes(router) {
      const serve = X_ACCEL_PREFIX === undefined ? byItself(store, log) : byNginx(store, X_ACCEL_PREFIX)
      const decide = downloads(links, serve)
      // The name after the UUID is for people and download managers; any will do.
      router.get('/download/:uuid', decide).get('/download/:uuid/*name', decide)
      router.get('/', (ctx) => show(ctx, home))
      router.get('/health', healthPage(health, database))
    },
  }),
}
