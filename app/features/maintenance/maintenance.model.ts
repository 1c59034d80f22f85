import { bigint, id, integer, key, optional, type RowOf, table, text } from '../../core/database/model.ts'

/** What was asked for by POST /cleanup. */
export const cleanupTable = table('cleanups', {
  id,
  requested_at: bigint,
  finished_at: optional(bigint),
  result: optional(text),
})

/** What the administrators were told, and whether it still holds. */
export const noticeTable = table('notices', { name: key(text), told_at: bigint, is_open: integer })

export type CleanupRow = RowOf<typeof cleanupTable>
