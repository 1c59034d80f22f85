import type { BotContext, BotParts } from '../../context.ts'
import { declared } from './handlers.ts'
import { Intake } from './intake.ts'
import { Refusals } from './refusals.ts'
import type { IngestSettings } from './settings.ts'
import { Status } from './status.ts'
import { transfers } from './transfer.ts'
import { Waiting } from './waiting.ts'

/** From the message with a file to the job that fetches it, and the text that tells how far it is. */
export async function intakeOf(context: BotContext, settings: IngestSettings): Promise<BotParts> {
  const waiting = new Waiting(context, settings)
  const status = new Status(context, waiting)
  const refusals = new Refusals(context)
  const intake = new Intake({ context, settings, waiting, refusals, status })
  const jobKinds = transfers(context, settings, status)
  await waiting.recall()
  return {
    ...declared({ context, settings, intake, refusals }),
    shiftTimes: (by) => waiting.shiftTimes(by),
    jobKinds,
    schedule: [
      { name: 'waiting files', schedule: '20 * * * * *', run: () => waiting.refresh() },
      { name: 'refused files', schedule: '25 * * * * *', run: () => refusals.forget() },
    ],
  }
}
