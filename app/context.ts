import type { z } from 'zod'
import type { Database } from './core/database/database.ts'
import type { Queries } from './core/database/reader.ts'
import type { Declaration } from './core/declaration.ts'
import type { Health } from './core/health.ts'
import type { Router, Shortcut } from './core/http.ts'
import type { Log } from './core/log.ts'
import type { Metrics } from './core/metrics.ts'
import type { ScheduledTask } from './core/schedule.ts'
import type { WallClock } from './core/wall-clock.ts'
import type { Watchdog } from './core/watchdog.ts'
import type { Breaker, JobKind, JobLimits, Jobs, Refusal } from './jobs/index.ts'
import type { LinkLookup, Links } from './links/index.ts'
import type { Outbox, OutboxSender } from './outbox/index.ts'
import type { Store } from './store/index.ts'
import type { Claims, Command, HelpLine, TelegramBot } from './telegram/index.ts'
import type { Users } from './users/index.ts'

/** What every role has. */
export interface AppContext {
  log: Log
  database: Queries
  health: Health
  metrics: Metrics
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
  /** Delivers what the outbox holds for this bot. */
  sender: OutboxSender
  jobs: Jobs
  /** Why one more job of a user is not taken now, if it is not. */
  jobRefusal(limits: JobLimits, userId: number): Promise<Refusal | undefined>
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
  /** Names its arguments for `--help`; without, it takes none. */
  takes?: string
  /** May be repeated. Returns what to tell. @throws StartError where an argument is wrong */
  run(context: CommandContext, words: string[]): Promise<string>
}

/** What a role of a feature has. */
export interface RoleContext extends DataContext {
  watchdog: Watchdog
}

/** A process of a feature's own; its unit runs `app/main.ts <name>`. */
export interface FeatureRole<S extends z.ZodObject> {
  name: string
  /** Disposing of what it returns ends it within the unit's TimeoutStopSec. */
  start(context: RoleContext, settings: z.output<S>): Promise<AsyncDisposable>
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
}

/**
 * A capability: one folder, and one line in features.ts; with a role of its own also a unit. What a role needs is
 * imported when the role asks for it, from a file of the role's name, so that none carries another's libraries.
 */
export interface Feature<S extends z.ZodObject = z.ZodObject> extends Declaration<S> {
  settings: S
  bot?(context: BotContext, settings: z.output<S>): Promise<BotParts>
  web?(context: AppContext, settings: z.output<S>): Promise<WebParts>
  role?: FeatureRole<S>
  owner?: OwnerCommand[]
}
