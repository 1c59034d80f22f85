import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from './log.ts'

const RETRY_MS = 1000

/** Listens and returns the port; while that is taken it tries again every second, as the real server does. */
export async function listen(server: Server, port: number, host: string, log: Log): Promise<number> {
  for (;;) {
    try {
      server.listen(port, host)
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    } catch (error) {
      log(1, `TCP listener was closed: ${(error as Error).message}`)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}
