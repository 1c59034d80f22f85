import type { CommandContext } from '../../context.ts'
import { StartError } from '../../core/errors.ts'
import { counted } from '../../core/format.ts'
import { Reconciliation } from './reconciliation.ts'

export async function acceptStore({ store }: CommandContext): Promise<string> {
  await store.accept()
  return `${store.root} is the store of this database from now on.`
}

export async function confirmClock({ clock }: CommandContext): Promise<string> {
  await clock.confirm()
  return `It is ${new Date().toUTCString()}: from now on files are removed by this clock again.`
}

/** Repeatable: what is in its place already stays there. */
export async function takeBack({ store, links, log }: CommandContext): Promise<string> {
  await requireStore(store)
  const places = await store.quarantine.list()
  const back: string[] = []
  let failed = 0
  for (const place of places) {
    // One that cannot be moved (`chattr +i`) keeps none of the others there.
    const isBack = await store.quarantine.takeBack(place).catch((error) => {
      failed++
      log.error({ file: place.name, error }, 'a file cannot be moved')
      return false
    })
    if (isBack) back.push(place.name)
  }
  const known = await links.filterKnown(back)
  const left = places.length - back.length - failed
  const strange = back.length - known.size
  return [
    `${counted(back.length, 'file')} ${back.length === 1 ? 'is' : 'are'} back in the store.`,
    failed > 0 && `${failed} cannot be moved; the lines above say why.`,
    left > 0 &&
      (left === 1
        ? '1 stays in the quarantine: a file of its name is in the store already.'
        : `${left} stay in the quarantine: files of their names are in the store already.`),
    strange > 0 &&
      `${strange} of them ${strange === 1 ? 'belongs' : 'belong'} to no link of this database and will be set aside again.`,
  ]
    .filter(Boolean)
    .join('\n')
}

export async function setAside(context: CommandContext): Promise<string> {
  await requireStore(context.store)
  await context.clock.consult()
  if (!context.clock.isTrusted) {
    throw new StartError(
      `The server's clock jumped; it says ${new Date().toUTCString()}. Files set aside now would have a wrong date: ` +
        'set it right first, or, if it is right: tgdepot confirm-clock',
    )
  }
  let failed = 0
  const trying = {
    holds: () => false,
    async attempt<T>(file: string, work: () => Promise<T>): Promise<T | undefined> {
      return await work().catch((error) => {
        failed++
        context.log.error({ file, error }, 'a file cannot be moved')
        return undefined
      })
    },
  }
  const { orphans } = await new Reconciliation(context, trying).setAllAside(new AbortController().signal)
  // One that went away meanwhile ends the round early.
  await requireStore(context.store)
  return [
    `${counted(orphans, 'file')} that nobody knows ${orphans === 1 ? 'is' : 'are'} in the quarantine now. ` +
      'For 7 days, take-back puts back what is there.',
    failed > 0 && `${failed} cannot be moved; the lines above say why.`,
  ]
    .filter(Boolean)
    .join('\n')
}

async function requireStore(store: CommandContext['store']): Promise<void> {
  if (!(await store.look()))
    throw new StartError(`${store.root} is not there, or not the store of this database.`)
}
