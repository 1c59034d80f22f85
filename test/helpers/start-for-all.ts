import test from 'ava'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { type App, startApp } from './start-app.ts'

/** Starts a stand-in and an app with the settings of `env` before the tests of a file, and ends both after them. */
export function startForAll(env: Record<string, string>, use: (api: StandIn, app: App) => void): void {
  const owned = new AsyncDisposableStack()
  test.before(async () => {
    const api = owned.use(await startBotApi())
    use(api, owned.use(await startApp({ api, env })))
  })
  test.after.always(() => owned.disposeAsync())
}
