import { createServer, type Server } from 'node:http'
import type { Bots } from './bots.ts'
import type { ServerParts } from './parts.ts'

/** The statistics page: whoever reaches this port reads every full token. */
export function createStatDoor(server: ServerParts, bots: Bots): Server {
  return createServer((_request, response) => {
    const uptime = ((Date.now() - server.startedAt) / 1000).toFixed(3)
    const active = bots.all().filter((bot) => bot.isReady)
    const lines = [
      `uptime\t${uptime}`,
      `bot_count\t${bots.all().length}`,
      `active_bot_count\t${active.length}`,
    ]
    for (const bot of active) {
      const pending = server.queue.count(bot.id)
      lines.push('', `id\t${bot.id}`, `token\t${bot.token}`, `pending_update_count\t${pending}`)
    }
    response.writeHead(200, { 'content-type': 'text/plain' }).end(`${lines.join('\n')}\n`)
  })
}
