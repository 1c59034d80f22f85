import type Router from '@koa/router'
import type { z } from 'zod'
import type { Database } from './core/database/database.ts'
import type { Migration } from './core/database/migrations.ts'
import type { Queries } from './core/database/reader.ts'
import type { Health } from './core/health.ts'
import type { Shortcut, Site } from './core/http.ts'
import type { Log } from './core/log.ts'
import type { ScheduledTask } from './core/schedule.ts'
import type { WallClock } from './core/wall-clock.ts'
import type { Breaker, JobKind, Jobs, RateLimit, Refusal } from './jobs/index.ts'
import type { LinkLookup, Links } from './links/index.ts'
import type { Outbox } from './outbox/index.ts'
import type { Store } from './store/index.ts'
import type { Claims, Command, HelpLine, TelegramBot } from './telegram/index.ts'
import type { Users } from './users/index.ts'

/** What every role has. */
export interface AppContext {
  log: Log
  database: Queries
  health: Health
  store: Store
  links: LinkLookup
}

/** The same where the tables are made and written. */
export interface DataContext extends AppContext {
  database: Database
  links: Links
}

/** What the bot role has besides. */
export interface BotContext extends DataContext {
  telegram: TelegramBot
  outbox: Outbox
  jobs: Jobs
  /** Why one more job of a user is not taken now, if it is not. */
  jobLimits(of: { userId: number }): Promise<Refusal | undefined>
  /** Above which rate a user's jobs in a chat wait for their turn: for `jobs.load.nextSlot`. */
  jobRates(of: { userId: number; chatId: number }): { user: RateLimit; chat: RateLimit }
  users: Users
  clock: WallClock
  /** What jobs need and cannot mend: this machine's disk and database, and Telegram. */
  breakers: { machine: Breaker; telegram: Breaker }
}

/** What a command of the owner has. */
export interface CommandContext extends DataContext {
  jobs: Jobs
  clock: WallClock
}

/** What the owner of the machine can have done by `app/main.ts <name>`, whether a bot runs or not. */
export interface OwnerCommand {
  name: string
  /** What it does; completes the sentence that its name begins. */
  description: string
  /** May be repeated. Returns what to tell. */
  run(context: CommandContext): Promise<string>
}

/** What a feature adds to the bot role. */
export interface BotParts {
  commands?: Command[]
  /** What it handles besides. What nobody claims is answered by the dispatcher. */
  claims?: Claims
  help?: HelpLine[]
  jobKinds?: JobKind[]
  schedule?: ScheduledTask[]
  /** Moves what its tables keep in steady time by so many milliseconds: the clock was set between two runs. */
  shiftTimes?(by: number): Promise<void>
}

/** What a feature adds to the web role. */
export interface WebParts {
  routes?: (router: Router) => void
  shortcuts?: Shortcut[]
  /** The page for what no route knows; of one feature. */
  notFound?: Site['notFound']
  /** The page for what cannot be had for a while; of one feature. */
  unavailable?: Site['unavailable']
}

/**
 * A capability: one folder, and one line in features.ts. What a role needs is imported when the role asks for it, so
 * that the web role does not carry the bot's libraries.
 */
export interface Feature<S extends z.ZodObject = z.ZodObject> {
  name: string
  settings: S
  migrations?: Migration[]
  bot?(context: BotContext, settings: z.output<S>): Promise<BotParts>
  web?(context: AppContext, settings: z.output<S>): Promise<WebParts>
  owner?: OwnerCommand[]
}

/** The settings of a feature, as it declared them. */
export type SettingsOf = (feature: Feature) => Record<string, unknown>
