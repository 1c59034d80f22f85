import type { Declaration } from './core/declaration.ts'
import { databaseModule, httpModule, logModule } from './core/module.ts'
import { jobsModule } from './jobs/module.ts'
import { linksModule } from './links/module.ts'
import { outboxModule } from './outbox/module.ts'
import { storeModule } from './store/module.ts'
import { telegramModule } from './telegram/module.ts'
import { usersModule } from './users/module.ts'

/** What features are built on, in the order of their migrations. */
export const modules: Declaration[] = [
  logModule,
  httpModule,
  databaseModule,
  storeModule,
  telegramModule,
  outboxModule,
  usersModule,
  jobsModule,
  linksModule,
]
