import type { Place } from '../core/bot-api.ts'
import type { Log } from '../core/log.ts'
import { RateLimiterMemory } from '../core/rate-limiter.ts'
import type { Plan } from './attempts.ts'
import { texts } from './catalogue.ts'
import type { Answer, Audience, Claim } from './claims.ts'
import type { HeardMessage } from './heard.ts'

/** Who is served. */
export interface Access {
  mayUse(userId: number): Promise<boolean>
  isOwnerless(): Promise<boolean>
  administrators(): Promise<number[]>
}

interface Parts {
  users: Access
  post: (message: Place & { text: string }) => Promise<unknown>
  log: Log
}

/** Says the answer to something, if there is one. */
type Say = (text: string | undefined) => Promise<void>

type Person = Pick<HeardMessage, 'userId' | 'language'>

/** Does what a claim says for those whom it is for, and gives the answers. */
export class Answering {
  readonly #parts: Parts
  /** Answers a minute that someone gets to mere words: one who floods the bot must not use up what it may send. */
  readonly #answers = new RateLimiterMemory({ points: 20, duration: 60 })

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async isFor(audience: Audience, userId: number): Promise<boolean> {
    const { users } = this.#parts
    if (audience === 'everyone') return true
    if (audience === 'allowed') return await users.mayUse(userId)
    return (await users.administrators()).includes(userId)
  }

  /** Answers a message. @param to whose answers are counted */
  async say({ place, userId }: HeardMessage, text: string | undefined, to = userId): Promise<void> {
    if (text === undefined) return
    const isAllowed = await this.#answers.consume(to).then(
      () => true,
      () => false,
    )
    if (isAllowed) await this.#parts.post({ ...place, text })
    else this.#parts.log.debug({ to }, 'no answer: too many')
  }

  /** What a claim says for a message, or for what is made of it. */
  plan<T>(claim: Claim<T>, what: T, heard: HeardMessage, audience?: Audience): Plan {
    return this.planWith(claim, what, heard, (text) => this.say(heard, text), audience)
  }

  planWith<T>(
    claim: Claim<T>,
    what: T,
    { userId, language }: Person,
    say: Say,
    audience: Audience = 'allowed',
  ): Plan {
    const isServed = () => this.isFor(audience, userId)
    const refuse = async (): Answer => {
      const isOwnerless = await this.#parts.users.isOwnerless()
      const usual = texts.in(language).notAllowed(userId, isOwnerless)
      return claim.refuse ? await claim.refuse(what, { isOwnerless, usual }) : usual
    }
    if ('handle' in claim) {
      return { write: async () => await say(await ((await isServed()) ? claim.handle(what) : refuse())) }
    }
    const prepare = async (signal: AbortSignal) => {
      const answer = (await isServed()) ? await claim.prepare(what, signal) : refuse
      return async () => await say(await answer())
    }
    return { prepare }
  }
}

/** What `other` returns, or the plan. */
export function unless(plan: Plan, other: () => Promise<(() => Promise<void>) | undefined>): Plan {
  if ('write' in plan) return { write: async () => await ((await other()) ?? plan.write)() }
  return { prepare: async (signal) => (await other()) ?? (await plan.prepare(signal)) }
}

/** Several plans for one update. */
export function joined(plans: Plan[]): Plan {
  const prepare = async (signal: AbortSignal) => {
    const writes = await Promise.all(
      plans.map((plan) => ('write' in plan ? plan.write : plan.prepare(signal))),
    )
    return async () => {
      for (const write of writes) await write()
    }
  }
  if (plans.some((plan) => 'prepare' in plan)) return { prepare }
  return { write: async () => await (await prepare(AbortSignal.abort()))() }
}
