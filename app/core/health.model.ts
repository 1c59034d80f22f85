import { bigint, integer, key, type RowOf, table, text } from './database/model.ts'

/** What each role last said about the parts that only it can see. */
export const healthTable = table('health', { part: key(text), ok: integer, detail: text, checked_at: bigint })

export type HealthRow = RowOf<typeof healthTable>
