import type { AppContext, SettingsOf } from '../context.ts'
import { HttpServer } from '../core/http.ts'
import type { HttpSettings } from '../core/http-settings.ts'
import type { Watchdog } from '../core/watchdog.ts'
import { features } from '../features.ts'

/** Starts the web role: the features' routes on one HTTP server. */
export async function startWeb(
  context: AppContext,
  settings: HttpSettings,
  settingsOf: SettingsOf,
  inherited: number | undefined,
  watchdog: Watchdog,
): Promise<AsyncDisposable> {
  const parts = await Promise.all(features.map((feature) => feature.web?.(context, settingsOf(feature))))
  const routes = parts.flatMap((part) => part?.routes ?? [])
  const shortcuts = parts.flatMap((part) => part?.shortcuts ?? [])
  const server = new HttpServer(settings, { routes, shortcuts }, context.log, inherited)
  context.log.info({ listening: await server.listen() }, 'web: ready')
  watchdog.watch('web', () => server.comesRound())
  return server
}
