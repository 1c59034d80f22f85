import type { RateLimiterRes } from 'rate-limiter-flexible'
import { Composer, type Context } from 'telegraf'
import type { BotContext } from '../../context.ts'
import { RateLimiterMemory } from '../../core/rate-limiter.ts'
import { givesStartCode, placeOf, startParameterOf } from '../../telegram/index.ts'
import { hasOwner, owned, tooMany, wrongCode } from './texts.ts'

/** Codes that one person may try; what comes above is not looked at. */
const tries = { points: 5, duration: 600 }

/** Start links, by one of which a person becomes the bot's owner; only in private chats. */
export function handlers({ users, outbox, log }: BotContext): Composer<Context> {
  const limiter = new RateLimiterMemory(tries)
  const composer = new Composer<Context>()
  composer.on('message', async (ctx, next) => {
    if (!users.hasClaimCode || startParameterOf(ctx.message, ctx.me) === undefined) return await next()
    const userId = ctx.message.from.id
    const isOwned = (await users.owner()) !== undefined
    if (isOwned && (await users.mayUse(userId))) return await next()
    const count = await limiter.consume(userId).catch((refused: RateLimiterRes | Error) => {
      if (refused instanceof Error) throw refused
      return refused
    })
    const above = count.consumedPoints - tries.points
    if (above > 1) return log.debug({ user_id: userId }, 'no answer: too many codes tried')
    const text = above > 0 ? tooMany : await answer(userId, isOwned, givesStartCode(ctx.update))
    await outbox.post({ ...placeOf(ctx.message), text })
  })
  return composer

  async function answer(userId: number, isOwned: boolean, isRight: boolean): Promise<string> {
    if (isOwned) return hasOwner(userId)
    if (!isRight) {
      log.warn({ user_id: userId }, 'a wrong claim code')
      return wrongCode
    }
    if (!(await users.claim(userId))) return hasOwner(userId)
    log.info({ user_id: userId }, 'the bot is claimed: it has an owner')
    return owned
  }
}
