import type { BotContext } from '../../context.ts'

/** Names asked for in one statement. */
const chunk = 200

/** Those of some names that neither a link knows nor a job that has not ended. */
export async function unknownOf(
  { jobs, links }: Pick<BotContext, 'jobs' | 'links'>,
  names: string[],
): Promise<string[]> {
  const unknown: string[] = []
  for (let at = 0; at < names.length; at += chunk) {
    const some = names.slice(at, at + chunk)
    // Jobs before links: one that ends in between has its link by then.
    const held = await jobs.reservations.held(some)
    const linked = await links.filterKnown(some)
    unknown.push(...some.filter((name) => !held.has(name) && !linked.has(name)))
  }
  return unknown
}
