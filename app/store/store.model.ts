import { bigint, key, type RowOf, table, text } from '../core/database/model.ts'

/** The id of the store that this database describes; one row at most. */
export const storeTable = table('store', { id: key(text), recorded_at: bigint })

export type StoreRow = RowOf<typeof storeTable>
