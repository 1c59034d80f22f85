import type { Feature } from './context.ts'
import type { Declaration } from './core/declaration.ts'
import { databaseModule, httpModule, logModule } from './core/module.ts'
import { features } from './features.ts'
import { jobsModule } from './jobs/module.ts'
import { linksModule } from './links/module.ts'
import { storeModule } from './store/module.ts'
import { telegramModule } from './telegram/module.ts'
import { usersModule } from './users/module.ts'

/** What a process can run, by itself or with others. */
export interface Role {
  name: string
  /** Whose settings it reads, and no others: a slip in the bot's must not end the downloads. */
  modules: Declaration[]
  /** The features that have parts in it; their settings are read too. */
  features: Feature[]
}

const everywhere = [logModule, databaseModule, storeModule]

/** Those of the product, and those that features bring along. */
export const roles: Role[] = [
  {
    name: 'bot',
    modules: [...everywhere, linksModule, telegramModule, usersModule, jobsModule],
    features: features.filter((feature) => feature.bot),
  },
  {
    name: 'web',
    modules: [...everywhere, httpModule],
    features: features.filter((feature) => feature.web),
  },
  ...features.flatMap((feature) =>
    feature.role
      ? [{ name: feature.role.name, modules: [...everywhere, linksModule], features: [feature] }]
      : [],
  ),
]

/** What a command of the owner reads. */
export const commandRole: Role = {
  name: 'command',
  modules: [...everywhere, linksModule],
  features: [],
}
