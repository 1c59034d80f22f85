import type { DataContext, OwnerCommand } from '../context.ts'
import { WallClock } from '../core/wall-clock.ts'
import { Jobs } from '../jobs/index.ts'

/** Does one of the owner's commands beside a bot that runs or does not. Returns what to tell the owner. */
export async function runForOwner(context: DataContext, command: OwnerCommand): Promise<string> {
  const { database, log } = context
  context.store.attach(database)
  return await command.run({ ...context, jobs: new Jobs(database, log), clock: new WallClock(database, log) })
}
