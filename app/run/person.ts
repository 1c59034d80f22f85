import type { CommandContext } from '../context.ts'
import { StartError } from '../core/errors.ts'
import type { PersonContext } from '../core/person.ts'
import { declarations } from '../declarations.ts'

/** All that is kept of a person, as JSON. */
export async function exportUser(context: CommandContext, words: string[]): Promise<string> {
  const [id, ...others] = words
  if (others.length > 0) throw new StartError('export-user takes one argument, a Telegram user id')
  const userId = userIdOf('export-user', id)
  const kept: Record<string, unknown> = {}
  for (const { name, person } of declarations) {
    if (person) kept[name] = await (await person()).export(withFiles(context), userId)
  }
  return JSON.stringify({ user_id: userId, exported_at: new Date().toISOString(), ...kept }, null, 2)
}

/** Removes all that is kept of a person; repeatable. */
export async function eraseUser(context: CommandContext, words: string[]): Promise<string> {
  const isSure = words.includes('--yes')
  const [id, ...others] = words.filter((word) => word !== '--yes')
  if (others.length > 0) throw new StartError('erase-user takes a Telegram user id and --yes')
  const userId = userIdOf('erase-user', id)
  if (!isSure) {
    throw new StartError(
      `erase-user removes the links of ${userId}, their files and all that is recorded of them, for good; ` +
        `to do that: erase-user ${userId} --yes`,
    )
  }
  const removed: string[] = []
  const left: string[] = []
  // What is declared later refers to what was before.
  for (const { person } of declarations.toReversed()) {
    if (!person) continue
    const erased = await (await person()).erase(withFiles(context), userId)
    removed.push(...erased.removed)
    left.push(...(erased.left ?? []))
  }
  const done =
    removed.length === 0 ? `Nothing is kept of ${userId}.` : `Removed of ${userId}: ${removed.join(', ')}.`
  return [done, ...left].join('\n')
}

/** @throws StartError */
function userIdOf(command: string, word: string | undefined): number {
  if (word !== undefined && /^[1-9]\d{0,15}$/.test(word)) return Number(word)
  throw new StartError(`${command} takes a Telegram user id, a whole number`)
}

function withFiles(context: CommandContext): CommandContext & PersonContext {
  const { store } = context
  const removeFiles = async (uuids: string[]) => {
    if (uuids.length === 0) return
    if (!(await store.look())) {
      throw new StartError(
        `${store.root} is not there, or not the store of this database: nothing was removed from it.`,
      )
    }
    for (const uuid of uuids) {
      await store.remove(uuid)
      await store.quarantine.removeNamed(uuid)
    }
  }
  return { ...context, removeFiles }
}
