import type { BotContext } from '../../context.ts'

/** Has the messages that a table keeps go on in the supergroup that their group becomes, which has no topics yet. */
export function moveWithChats(
  { sender, telegram, database }: BotContext,
  table: 'refusal_notices' | 'waiting_notices',
): void {
  const sql = `UPDATE ${table} SET chat_id = $3, thread_id = NULL WHERE bot_id = $1 AND chat_id = $2`
  sender.chats.whenMoved(async (from, to) => {
    await database.query(sql, telegram.id, from, to)
  })
}
