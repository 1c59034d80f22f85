import { bigint, key, optional, type RowOf, table, text } from '../core/database/model.ts'

/** The id of the store that this database describes; one row at most. */
export const storeTable = table('store', { id: key(text), recorded_at: bigint, replaces: optional(text) })

export type StoreRow = RowOf<typeof storeTable>
