import { bigint, id, optional, type RowOf, table } from './database/model.ts'

export const clockTable = table('clock', {
  id,
  /** The wall time last known to be right. */
  trusted_at: bigint,
  /** What waits were counted by when the wall clock was last looked at. */
  steady_at: bigint,
  /** What the wall clock said then, if it was elsewhere than it should be; NULL while it is trusted. */
  doubted_at: optional(bigint),
  /** What the wall clock said when it was found to have leapt forward while a process ran. */
  leapt_at: optional(bigint),
})

export type ClockRow = RowOf<typeof clockTable>
