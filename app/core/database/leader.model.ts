import { bigint, key, type RowOf, table, text } from './model.ts'

/** See `Leadership`. */
export const leaderTable = table('leaders', { name: key(text), holder: text, beat: bigint })

export type LeaderRow = RowOf<typeof leaderTable>
