import type { CronEntry } from '../core/cron.ts'
import type { BotHouse } from '../house.ts'
import { answerCleanups } from './cleanup.ts'
import { DiskGuard } from './disk-guard.ts'
import { forgetHistory } from './history.ts'
import { Reconciliation } from './reconciliation.ts'
import { removeExpired, removeLeftovers } from './retention.ts'

/** What is done when. Everything here may run at any moment, and again after a crash in the middle. */
export function clock(house: BotHouse): CronEntry[] {
  const reconciliation = new Reconciliation(house)
  const guard = new DiskGuard(house)
  let last: Promise<unknown> = Promise.resolve()
  /** Sweeps look at the same rows and files: one at a time. */
  const alone = (sweep: (signal: AbortSignal) => Promise<unknown>) => async (signal: AbortSignal) => {
    const next = last.then(() => sweep(signal))
    last = next.catch(() => {})
    await next
  }
  return [
    { name: 'disk and health', schedule: '*/10 * * * * *', atStart: true, run: () => guard.look() },
    {
      name: 'expired links',
      schedule: '* * * * *',
      atStart: true,
      run: alone((signal) => removeExpired(house, signal)),
    },
    {
      // Not at the start: it reads all of the store, and a role that starts has more urgent work.
      name: 'reconciliation',
      schedule: '30 * * * * *',
      run: alone((signal) => reconciliation.run(signal)),
    },
    {
      name: 'leftovers',
      schedule: '45 * * * * *',
      atStart: true,
      run: alone(() => removeLeftovers(house)),
    },
    {
      name: 'cleanups asked for',
      schedule: '* * * * * *',
      run: alone((signal) => answerCleanups(house, reconciliation, signal)),
    },
    { name: 'history', schedule: '47 * * * *', run: (signal) => forgetHistory(house, signal) },
  ]
}
