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
  const notFound = parts.find((part) => part?.notFound)?.notFound ?? (() => {})
  const unavailable = parts.find((part) => part?.unavailable)?.unavailable ?? (() => {})
  const site = { routes, shortcuts, notFound, unavailable }
  const server = new HttpServer(settings, site, context.log, inherited)
  context.log.info({ listening: await server.listen() }, 'web: ready')
  watchdog.watch('web', () => server.comesRound())
  return server
}
