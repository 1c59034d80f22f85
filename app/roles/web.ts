import type { AppContext } from '../context.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { healthPage } from '../core/health-page.ts'
import { HttpServer, type Router } from '../core/http.ts'
import { metricsPage } from '../core/metrics-page.ts'
import { httpModule } from '../core/module.ts'
import { showUnavailable } from '../core/page.ts'
import type { Watchdog } from '../core/watchdog.ts'
import { features } from '../features.ts'

/** Starts the web role: its own routes and the features' on one HTTP server. */
export async function startWeb(
  context: AppContext,
  settingsOf: SettingsOf,
  inherited: number | undefined,
  watchdog: Watchdog,
): Promise<AsyncDisposable> {
  const { health, metrics, database, log } = context
  const settings = settingsOf(httpModule)
  const offered = await Promise.all(features.map((feature) => feature.web?.(context, settingsOf(feature))))
  const parts = offered.filter((part) => part !== undefined)
  const own = (router: Router) => {
    router.get('/health', healthPage(health, database, settings.ADMIN_TOKEN))
    router.get('/metrics', metricsPage(metrics, health, settings.ADMIN_TOKEN))
    // nginx asks for it when the whole store is away.
    router.get('/unavailable', showUnavailable)
  }
  const routes = [own, ...parts.flatMap((part) => part.routes ?? [])]
  const shortcuts = parts.flatMap((part) => part.shortcuts ?? [])
  const server = new HttpServer(settings, { routes, shortcuts }, log, inherited)
  log.info({ listening: await server.listen() }, 'web: ready')
  watchdog.watch('web', () => server.comesRound())
  return server
}
