import type { CommandContext } from '../../context.ts'
import { Ownership } from '../../users/index.ts'

/** The installer reads this. */
export async function owner({ database }: CommandContext): Promise<string> {
  return String((await new Ownership(database).find()) ?? 'nobody yet')
}

/** Repeatable; a bot that runs obeys at once. */
export async function forgetOwner({ database }: CommandContext): Promise<string> {
  const former = await new Ownership(database).forget()
  if (former === undefined) return 'Nobody has claimed the bot.'
  return (
    `${former} does not own the bot any more; the first to open the claim link owns it next. ` +
    `The code stands in the chat of ${former}: if others can read that, change CLAIM_CODE first.`
  )
}
