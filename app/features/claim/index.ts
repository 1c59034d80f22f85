import { z } from 'zod'
import type { Feature } from '../../context.ts'

/** Whoever opens the bot's claim link first owns it. */
export const claim: Feature = {
  name: 'claim',
  settings: z.object({}),
  async bot(context) {
    const [{ claimLink }, { Ownership }] = await Promise.all([
      import('./handlers.ts'),
      import('../../users/index.ts'),
    ])
    const { database, users, log } = context
    const owner = await new Ownership(database).find()
    if (users.hasClaimCode && owner === undefined) {
      log.info('nobody owns the bot yet: who first opens https://t.me/<bot>?start=<CLAIM_CODE> does')
    } else if (!users.hasClaimCode && owner !== undefined) {
      log.warn({ user_id: owner }, 'the bot was claimed, which counts for nothing without CLAIM_CODE')
    }
    return users.hasClaimCode ? { claims: { anyStart: claimLink(context) } } : {}
  },
  owner: [
    {
      name: 'owner',
      description: 'prints the Telegram id of who has claimed the bot, or "nobody yet"',
      run: async (context) => (await import('./commands.ts')).owner(context),
    },
    {
      name: 'forget-owner',
      description: 'takes the bot away from who has claimed it, so that it can be claimed again',
      run: async (context) => (await import('./commands.ts')).forgetOwner(context),
    },
  ],
}
