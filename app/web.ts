import type { z } from 'zod'
import { HttpServer, type httpSettings } from './core/http.ts'
import { features } from './features.ts'
import type { House, SettingsOf } from './house.ts'

/** Starts the web role: the features' routes on one HTTP server. */
export async function startWeb(
  house: House,
  settings: z.output<typeof httpSettings>,
  settingsOf: SettingsOf,
): Promise<AsyncDisposable> {
  const parts = features.map((feature) => feature.web?.(house, settingsOf(feature)))
  const routes = parts.flatMap((part) => part?.routes ?? [])
  const server = new HttpServer(settings, routes, house.log)
  house.log.info({ listening: await server.listen() }, 'web: ready')
  return server
}
