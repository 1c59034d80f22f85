import { mkdirSync, mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import type { Server } from 'node:http'
import { join, resolve } from 'node:path'
import { becomeUser } from './become-user.ts'
import { Cloud } from './cloud/cloud.ts'
import type { Options } from './command-line.ts'
import { createControlDoor } from './control/control-door.ts'
import { Bots } from './server/bots.ts'
import { CallLog } from './server/call-log.ts'
import { Faults } from './server/faults.ts'
import { Floods } from './server/floods.ts'
import { createBotApiDoor } from './server/http-door.ts'
import { listen } from './server/listen.ts'
import { openLog } from './server/log.ts'
import type { ServerParts } from './server/parts.ts'
import { LiveSettings } from './server/settings.ts'
import { createStatDoor } from './server/stat-door.ts'
import { UpdateQueue } from './server/update-queue.ts'

/** How long answers may take to leave before their connections are closed at a stop. */
const FLUSH_MS = 200

export type RunningServer = {
  listening: Promise<unknown>
  reopenLog: () => void
  /** Answers what waits, closes everything. */
  stop: () => Promise<void>
}

/** Starts the server. Throws QueueLocked when another one works in the same folder. */
export async function startServer(options: Options): Promise<RunningServer> {
  becomeUser(options.username, options.groupname)
  mkdirSync(options.dir, { recursive: true, mode: 0o750 })
  const dir = realpathSync(options.dir)
  // The real server tries at the start whether it may write here, and names with a colon.
  rmdirSync(mkdtempSync(join(dir, '1:a')))
  const { log, reopen } = openLog(options.verbosity, options.logPath && resolve(dir, options.logPath))
  const queue = new UpdateQueue(dir)
  const cloud = new Cloud(options.cloudDir ?? join(dir, '..', 'telegram-cloud'))
  const settings = new LiveSettings(cloud)
  const parts: ServerParts = {
    options: { ...options, dir },
    cloud,
    queue,
    settings,
    faults: new Faults(),
    floods: new Floods(),
    calls: new CallLog(),
    log,
    startedAt: Date.now(),
  }
  const bots = new Bots(parts)
  bots.restore()
  const doors: { door: Server; port: number; host: string }[] = [
    { door: createBotApiDoor(parts, bots), port: options.httpPort, host: options.httpIp },
    { door: createControlDoor(parts, bots), port: options.controlPort, host: '127.0.0.1' },
  ]
  if (options.statPort > 0) {
    doors.push({ door: createStatDoor(parts, bots), port: options.statPort, host: options.statIp })
  }
  return {
    listening: Promise.all(doors.map(({ door, port, host }) => listen(door, port, host, log))),
    reopenLog: reopen,
    async stop() {
      for (const { door } of doors) door.close()
      await bots.close()
      await new Promise((done) => setTimeout(done, FLUSH_MS))
      for (const { door } of doors) door.closeAllConnections()
      queue.close()
      cloud.close()
    },
  }
}
