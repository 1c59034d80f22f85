import type { BotContext } from '../../context.ts'
import { counted } from '../../core/format.ts'
import type { ScheduledTask } from '../../core/schedule.ts'
import { quarantineDays } from '../../store/index.ts'
import { answerCleanups } from './cleanup.ts'
import { DiskGuard } from './disk-guard.ts'
import { watchClock, watchDatabase, watchStore } from './guards.ts'
import { forgetHistory } from './history.ts'
import { Notices } from './notices.ts'
import { type Findings, Reconciliation } from './reconciliation.ts'
import { purgeQuarantine, removeExpired, removeLeftovers } from './retention.ts'
import type { MaintenanceSettings } from './settings.ts'
import { StuckFiles } from './stuck-files.ts'

/** What is done when. Everything here may run at any moment, and again after a crash in the middle. */
export function schedule(context: BotContext, settings: MaintenanceSettings): ScheduledTask[] {
  const notices = new Notices(context)
  const stuck = new StuckFiles(context.log, notices)
  const reconciliation = new Reconciliation(context, stuck)
  const guard = new DiskGuard(context, notices)
  const grace = settings.EXPIRED_GRACE_MINUTES * 60_000
  const expired = (signal: AbortSignal) => removeExpired(context, { stuck, grace }, signal)
  const leftovers = () => removeLeftovers(context, stuck)
  const whole = async (signal: AbortSignal) => told(notices, context, await reconciliation.runWhole(signal))
  let last: Promise<unknown> = Promise.resolve()
  /** Sweeps look at the same rows and files: one at a time. */
  const alone = (sweep: (signal: AbortSignal) => Promise<unknown>) => async (signal: AbortSignal) => {
    const next = last.then(() => sweep(signal))
    last = next.catch(() => {})
    await next
  }
  return [
    {
      name: 'disk and health',
      schedule: '*/10 * * * * *',
      atStart: true,
      // Each is looked at, whatever the others say.
      run: async () => {
        const looks = [
          context.telegram.reportHealth(),
          watchStore(context, notices),
          watchDatabase(context, notices),
          watchClock(context, notices),
          guard.look(),
        ]
        const failed = (await Promise.allSettled(looks)).find(({ status }) => status === 'rejected')
        if (failed?.status === 'rejected') throw failed.reason
      },
    },
    { name: 'expired links', schedule: '* * * * *', atStart: true, run: alone(expired) },
    {
      // Not at the start: it reads all of the store, and a role that starts has more urgent work.
      name: 'reconciliation',
      schedule: '30 * * * * *',
      run: alone(async (signal) => told(notices, context, await reconciliation.run(signal))),
    },
    { name: 'leftovers', schedule: '45 * * * * *', atStart: true, run: alone(leftovers) },
    {
      name: 'quarantine',
      schedule: '50 * * * * *',
      run: alone(async (signal) => {
        await purgeQuarantine(context, stuck, signal)
        await stuck.report()
      }),
    },
    {
      name: 'cleanups asked for',
      schedule: '* * * * * *',
      run: alone((signal) => answerCleanups(context.database, { expired, leftovers, whole }, signal)),
    },
    { name: 'history', schedule: '47 * * * *', run: (signal) => forgetHistory(context, signal) },
  ]
}

/** The owner decides about unknown files that are too many, and knows best whether the few were any. */
async function told(notices: Notices, { log }: BotContext, findings: Findings): Promise<Findings> {
  const { orphans, missing, tooMany } = findings
  if (missing > 0) await notices.say('missing', lost(missing))
  else if (tooMany === 0) await notices.over('missing')
  if (orphans > 0) await notices.say('aside', setAside(orphans))
  else if (tooMany === 0) await notices.over('aside')
  if (tooMany === 0) await notices.over('unknown')
  if (tooMany === undefined || tooMany === 0) return findings
  const text =
    `${tooMany} files in the store belong to no link. So many are a sign of a wrong database, so they stay where ` +
    'they are. Check whether the database is the right one. If nobody needs these files: sudo tgdepot set-aside'
  if (await notices.say('unknown', text)) log.error({ files: tooMany }, 'too many files that nobody knows')
  return findings
}

function lost(links: number): string {
  return (
    `The files of ${counted(links, 'link')}, and perhaps of more, are not in the store, and who opens such a link finds ` +
    'nothing. If the store is an older copy, put the right one back: then they work again by themselves. The log names them.'
  )
}

function setAside(files: number): string {
  return (
    `Set aside, to be removed in ${quarantineDays} days: ${counted(files, 'file')} in the store that no link knows. A crash ` +
    'may have left them; but if the database is an older copy, put the right one back. To have them back: ' +
    'tgdepot take-back'
  )
}
