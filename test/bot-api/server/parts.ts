import type { Cloud } from '../cloud/cloud.ts'
import type { Options } from '../command-line.ts'
import type { CallLog } from './call-log.ts'
import type { Faults } from './faults.ts'
import type { Floods } from './floods.ts'
import type { Log } from './log.ts'
import type { LiveSettings } from './settings.ts'
import type { UpdateQueue } from './update-queue.ts'

/** What every part of one server shares. */
export type ServerParts = {
  options: Options
  cloud: Cloud
  queue: UpdateQueue
  settings: LiveSettings
  faults: Faults
  floods: Floods
  calls: CallLog
  log: Log
  startedAt: number
}
