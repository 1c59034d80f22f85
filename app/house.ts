import type Router from '@koa/router'
import type { Composer, Context } from 'telegraf'
import type { z } from 'zod'
import type { CronEntry } from './core/cron.ts'
import type { Database } from './core/database.ts'
import type { Health } from './core/health.ts'
import type { Shortcut, Site } from './core/http.ts'
import type { Log } from './core/log.ts'
import type { Migration } from './core/migrations.ts'
import type { Breaker, JobKind, Jobs, RateLimit, Refusal } from './jobs/index.ts'
import type { Links } from './links/index.ts'
import type { Store } from './store/index.ts'
import type { Command, TelegramBot } from './telegram/index.ts'
import type { Users } from './users/index.ts'

/** What every role has. */
export interface House {
  log: Log
  database: Database
  health: Health
  store: Store
  links: Links
}

/** What the bot role has besides. */
export interface BotHouse extends House {
  telegram: TelegramBot
  jobs: Jobs
  /** Why one more job of a user in a chat is not taken now, if it is not. */
  jobLimits(of: { userId: number; chatId: number }): Promise<Refusal | undefined>
  /** Above which rate a user's jobs in a chat wait for their turn: for `jobs.load.nextSlot`. */
  jobRates(of: { userId: number; chatId: number }): RateLimit[]
  users: Users
  /** What jobs need and cannot mend: this machine's disk and database, and Telegram. */
  breakers: { machine: Breaker; telegram: Breaker }
}

/** What a feature adds to the bot role. */
export interface BotParts {
  handlers?: Composer<Context>
  /** For Telegram's menu, in this order. */
  commands?: Command[]
  jobKinds?: JobKind[]
  cron?: CronEntry[]
}

/** What a feature adds to the web role. */
export interface WebParts {
  routes?: (router: Router) => void
  shortcuts?: Shortcut[]
  /** The page for what no route knows; of one feature. */
  notFound?: Site['notFound']
}

/**
 * A capability: one folder, and one line in features.ts. What a role needs is imported when the role asks for it, so
 * that the web role does not carry the bot's libraries.
 */
export interface Feature<S extends z.ZodObject = z.ZodObject> {
  name: string
  settings: S
  migrations?: Migration[]
  bot?(house: BotHouse, settings: z.output<S>): Promise<BotParts>
  web?(house: House, settings: z.output<S>): Promise<WebParts>
}

/** The settings of a feature, as it declared them. */
export type SettingsOf = (feature: Feature) => Record<string, unknown>
