import { z } from 'zod'
import { databaseSettings, openDatabase } from './core/database.ts'
import { StartError } from './core/errors.ts'
import { Health, healthMigrations } from './core/health.ts'
import { httpSettings } from './core/http-settings.ts'
import { createLog, type Log, logLevels } from './core/log.ts'
import { readSettings } from './core/settings.ts'
import { features } from './features.ts'
import type { House, SettingsOf } from './house.ts'
import { jobsMigrations, jobsSettings } from './jobs/index.ts'
import { Links, linksMigrations, linksSettings } from './links/index.ts'
import { Store, storeSettings } from './store/index.ts'
import { telegramMigrations, telegramSettings } from './telegram/index.ts'
import { usersSettings } from './users/index.ts'

/** Milliseconds after which a stop that hangs is ended by force; below the units' TimeoutStopSec. */
const lastResort = 28_000

const migrations = [
  ...healthMigrations,
  ...telegramMigrations,
  ...jobsMigrations,
  ...linksMigrations,
  ...features.flatMap((feature) => feature.migrations ?? []),
]

/** The settings of all that runs in these roles; no role means every role. */
function settingsFor(roles: string[], env: NodeJS.ProcessEnv) {
  const unknown = roles.filter((role) => role !== 'bot' && role !== 'web')
  if (unknown.length > 0)
    throw new StartError(`unknown role ${unknown.join(', ')}: the roles are bot and web`)
  const has = (role: string) => roles.length === 0 || roles.includes(role)
  const ofFeatures = Object.fromEntries(features.map(({ name, settings }) => [name, settings]))
  const settings = readSettings(
    {
      log: z.object({
        LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
      }),
      database: databaseSettings,
      store: storeSettings,
      links: linksSettings,
      http: has('web') ? httpSettings : undefined,
      telegram: has('bot') ? telegramSettings : undefined,
      users: has('bot') ? usersSettings : undefined,
      jobs: has('bot') ? jobsSettings : undefined,
      ...ofFeatures,
    },
    env,
  )
  const settingsOf: SettingsOf = ({ name }) =>
    (settings as ReturnType<SettingsOf>)[name] as ReturnType<SettingsOf>
  return { settings, settingsOf }
}

async function run(
  { settings, settingsOf }: ReturnType<typeof settingsFor>,
  log: Log,
  stop: Promise<unknown>,
): Promise<void> {
  const { telegram, users, jobs, http } = settings
  await using owned = new AsyncDisposableStack()
  const database = owned.use(await openDatabase(settings.database, migrations))
  const house: House = {
    log,
    database,
    health: new Health(database),
    store: new Store(settings.store, log),
    links: new Links(settings.links, database),
  }
  // Each role's libraries are loaded for that role alone: memory is what a small machine has least of.
  if (http) {
    const { startWeb } = await import('./web.ts')
    owned.use(await startWeb(house, http, settingsOf))
  }
  if (telegram && users && jobs) {
    const { startBot } = await import('./bot.ts')
    owned.use(await startBot(house, { telegram, users, jobs }, settingsOf))
  }
  log.info({ signal: await stop }, 'stopping')
}

/** The signal that asks to stop; from then on the process has {@link lastResort} to end by itself. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      process.on(signal, () => {
        setTimeout(() => process.exit(1), lastResort).unref()
        resolve(signal)
      })
    }
  })
}

const journal = process.env.JOURNAL_STREAM !== undefined
let log = createLog('info', { journal })
// Node itself would print the error as it is, which may hold the token.
process.on('uncaughtException', (error) => {
  log.fatal({ error }, 'ended by a fault of the program')
  process.exit(1)
})
try {
  const settings = settingsFor(process.argv.slice(2), process.env)
  log = createLog(settings.settings.log.LOG_LEVEL, { journal })
  await run(settings, log, stopSignal())
  log.info('stopped')
} catch (error) {
  if (error instanceof StartError) for (const fault of error.faults) log.fatal(fault)
  else log.fatal({ error }, 'ended by a fault of the program')
  process.exitCode = 1
}
