import { join } from 'node:path'
import { findPorts } from '../bot-api/fresh.ts'
import type { Depot } from './depot.ts'
import { startNginx } from './nginx.ts'
import { startApp } from './start-app.ts'

export interface Front extends AsyncDisposable {
  /** nginx's, on 127.0.0.1. */
  port: number
}

/** A web role on a depot's folders with nginx in front of it, as on an installed machine. */
export async function startBehindNginx(
  depot: Depot,
  { tls = false, sendBuffer }: { tls?: boolean; sendBuffer?: number } = {},
): Promise<Front> {
  await using owned = new AsyncDisposableStack()
  const socket = join(depot.dir, 'web.sock')
  const env = { SERVER_SOCKET: socket, X_ACCEL_PREFIX: '/_files/' }
  owned.use(await startApp({ roles: ['web'], dir: depot.dir, env }))
  const port = (await findPorts()).http
  const folder = join(depot.dir, 'nginx')
  owned.use(await startNginx({ folder, port, socket, store: depot.store.root, tls, sendBuffer }))
  const all = owned.move()
  return { port, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
