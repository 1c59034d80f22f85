import { WallClock } from './core/wall-clock.ts'
import type { OwnerCommand, Records } from './house.ts'
import { Jobs } from './jobs/index.ts'

/** Does one of the owner's commands beside a bot that runs or does not. Returns what to tell the owner. */
export async function runForOwner(house: Records, command: OwnerCommand): Promise<string> {
  const { database, log } = house
  house.store.attach(database)
  return await command.run({ ...house, jobs: new Jobs(database, log), clock: new WallClock(database, log) })
}
