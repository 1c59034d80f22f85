import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Of the form that real ones have. */
export function newToken(): string {
  return `${1e9 + randomInt(8e9)}:AA${randomBytes(25).toString('base64url').slice(0, 33)}`
}

/**
 * Two free neighbouring ports below the range from which the kernel takes the ports of outgoing connections:
 * a client that keeps trying while the server is down could otherwise be given the server's own port.
 */
export async function findPorts(): Promise<{ http: number; control: number }> {
  for (;;) {
    const http = 12_000 + 2 * Math.floor(Math.random() * 10_000)
    if ((await isFree(http)) && (await isFree(http + 1))) return { http, control: http + 1 }
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(port, '127.0.0.1')
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
