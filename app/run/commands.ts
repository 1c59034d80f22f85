import type { OwnerCommand } from '../context.ts'
import { features } from '../features.ts'

/** What the owner of the machine can have done. */
export const commands: OwnerCommand[] = [
  ...features.flatMap((feature) => feature.owner ?? []),
  {
    name: 'export-user',
    takes: '<id>',
    description: 'prints all that is kept of a person, by their Telegram id, as JSON',
    run: async (context, words) => (await import('./person.ts')).exportUser(context, words),
  },
  {
    name: 'erase-user',
    takes: '<id> --yes',
    description: 'removes all that is kept of a person, with their links and files',
    run: async (context, words) => (await import('./person.ts')).eraseUser(context, words),
  },
]
