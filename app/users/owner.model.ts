import { bigint, id, type RowOf, table } from '../core/database/model.ts'

/** Who claimed the bot; one row at most. */
export const ownerTable = table('bot_owner', { id, user_id: bigint, claimed_at: bigint })

export type OwnerRow = RowOf<typeof ownerTable>
