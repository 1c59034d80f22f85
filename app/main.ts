import { z } from 'zod'
import { databaseFile, databaseSettings } from './core/database-settings.ts'
import { StartError } from './core/errors.ts'
import { Health, healthMigrations } from './core/health.ts'
import { httpSettings } from './core/http-settings.ts'
import { inheritedSocket } from './core/inherited-socket.ts'
import { createLog, type Log, logLevels } from './core/log.ts'
import { readSettings } from './core/settings.ts'
import { WebDatabase } from './core/web-database.ts'
import { features } from './features.ts'
import type { House, SettingsOf } from './house.ts'
import { jobsMigrations, jobsSettings } from './jobs/index.ts'
import { LinkLookup, Links, linksMigrations, linksSettings } from './links/index.ts'
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
  { inherited, stop }: { inherited: number | undefined; stop: Promise<unknown> },
): Promise<void> {
  const { telegram, users, jobs, http } = settings
  await using owned = new AsyncDisposableStack()
  const store = new Store(settings.store, log)
  const serve = async (house: House) => {
    if (!http) return
    const { startWeb } = await import('./web.ts')
    owned.use(await startWeb(house, http, settingsOf, inherited))
  }
  // Each role's libraries are loaded for that role alone: memory is what a small machine has least of.
  if (telegram && users && jobs) {
    const { openDatabase } = await import('./core/database.ts')
    const database = owned.use(await openDatabase(settings.database, migrations))
    const links = new Links(settings.links, database)
    const house = { log, database, health: new Health(database), store, links }
    await serve(house)
    const { startBot } = await import('./bot.ts')
    owned.use(await startBot(house, { telegram, users, jobs }, settingsOf))
  } else {
    const database = owned.use(new WebDatabase(databaseFile(settings.database), log))
    const links = new LinkLookup(database)
    await serve({ log, database, health: new Health(database), store, links })
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
  await run(settings, log, { inherited: inheritedSocket(process.env, process.pid), stop: stopSignal() })
  log.info('stopped')
} catch (error) {
  if (error instanceof StartError) for (const fault of error.faults) log.fatal(fault)
  else log.fatal({ error }, 'ended by a fault of the program')
  process.exitCode = 1
}
