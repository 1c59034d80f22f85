import type { RateLimiterRes } from 'rate-limiter-flexible'
import type { BotContext } from '../../context.ts'
import { RateLimiterMemory } from '../../core/rate-limiter.ts'
import type { Claims, HeardMessage } from '../../telegram/index.ts'
import { texts } from './catalogue.ts'

/** Codes that one person may try; what comes above is not looked at. */
const tries = { points: 5, duration: 600 }

/** Start links, by one of which a person becomes the bot's owner. */
export function claimLink({ users, outbox, log }: BotContext): NonNullable<Claims['anyStart']> {
  const limiter = new RateLimiterMemory(tries)
  return {
    // For who is served anyway, a start link is as good as /start.
    matches: async ({ userId }) => !((await isOwned()) && (await users.mayUse(userId))),
    async handle(message) {
      const { userId, place, language } = message
      const count = await limiter.consume(userId).catch((refused: RateLimiterRes | Error) => {
        if (refused instanceof Error) throw refused
        return refused
      })
      const above = count.consumedPoints - tries.points
      if (above > 1) log.debug({ user_id: userId }, 'no answer: too many codes tried')
      // Whatever else they have said in the last minute, they hear whether the bot is theirs.
      else
        await outbox.post({ ...place, text: above > 0 ? texts.in(language).tooMany : await answer(message) })
      return undefined
    },
  }

  async function isOwned(): Promise<boolean> {
    return (await users.owner()) !== undefined
  }

  async function answer({ userId, language, givesStartCode }: HeardMessage): Promise<string> {
    const { hasOwner, wrongCode, owned } = texts.in(language)
    if (await isOwned()) return hasOwner(userId)
    if (!givesStartCode) {
      log.warn({ user_id: userId }, 'a wrong claim code')
      return wrongCode
    }
    if (!(await users.claim(userId))) return hasOwner(userId)
    log.info({ user_id: userId }, 'the bot is claimed: it has an owner')
    return owned
  }
}
