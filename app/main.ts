import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { AppContext, DataContext, OwnerCommand, SettingsOf } from './context.ts'
import { type Database, openQueries, openDatabase as openTables } from './core/database/database.ts'
import { DatabaseAway, DatabaseLocked, DatabaseUnwritable, isDamage } from './core/database/errors.ts'
import { leadershipMigrations } from './core/database/leadership.ts'
import { reserveOf } from './core/database/reserve.ts'
import { databaseFile, databaseSettings, secretsOf } from './core/database/settings.ts'
import { StartError } from './core/errors.ts'
import { Health, healthMigrations } from './core/health.ts'
import { httpSettings } from './core/http-settings.ts'
import { inheritedSocket } from './core/inherited-socket.ts'
import { createLog, type Log, logLevels, scrub, takeOverConsole } from './core/log.ts'
import { readSettings } from './core/settings.ts'
import { clockMigrations } from './core/wall-clock.ts'
import { Watchdog } from './core/watchdog.ts'
import { features } from './features.ts'
import { jobsMigrations, jobsSettings } from './jobs/index.ts'
import { LinkLookup, Links, linksMigrations, linksSettings } from './links/index.ts'
import { outboxMigrations } from './outbox/index.ts'
import { Store, storeMigrations, storeSettings } from './store/index.ts'
import { telegramMigrations, telegramSettings } from './telegram/index.ts'
import { Users, usersMigrations, usersSettings } from './users/index.ts'

/** Milliseconds after which a stop that hangs is ended by force; below the units' TimeoutStopSec. */
const lastResort = 28_000

const migrations = [
  ...leadershipMigrations,
  ...healthMigrations,
  ...clockMigrations,
  ...storeMigrations,
  ...telegramMigrations,
  ...outboxMigrations,
  ...usersMigrations,
  ...jobsMigrations,
  ...linksMigrations,
  ...features.flatMap((feature) => feature.migrations ?? []),
]

const commands = features.flatMap((feature) => feature.owner ?? [])

/** It needs two databases, and so is no feature's. */
const move = 'move-database'

const usage = `Usage: app/main.ts [bot] [web]    runs these roles; without one, both in one process
       app/main.ts --check [bot] [web]    says what would keep them from working, and changes nothing
       app/main.ts <command>

${commands.map(({ name, description }) => `  ${name.padEnd(14)} ${description}`).join('\n')}
  ${move.padEnd(14)} [from] <to>  copies everything into an empty database, from that of DATABASE_URL
`

/** The settings of all that runs in these roles, and of nothing else: a slip in the bot's must not end the downloads. */
function settingsFor(roles: string[], env: NodeJS.ProcessEnv) {
  const has = (role: string) => roles.includes(role)
  const running = features.filter(({ bot, web }) => (bot && has('bot')) || (web && has('web')))
  const ofFeatures = Object.fromEntries(running.map(({ name, settings }) => [name, settings]))
  const settings = readSettings(
    {
      log: z.object({
        LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
      }),
      database: databaseSettings,
      store: storeSettings,
      links: has('bot') || has('owner') ? linksSettings : undefined,
      http: has('web') ? httpSettings : undefined,
      telegram: has('bot') ? telegramSettings : undefined,
      users: has('bot') ? usersSettings : undefined,
      jobs: has('bot') ? jobsSettings : undefined,
      ...ofFeatures,
    },
    env,
    [
      linksSettings,
      httpSettings,
      telegramSettings,
      usersSettings,
      jobsSettings,
      ...features.map(settingsShape),
    ],
  )
  const settingsOf: SettingsOf = ({ name }) =>
    (settings as ReturnType<SettingsOf>)[name] as ReturnType<SettingsOf>
  return { settings, settingsOf }
}

const settingsShape = ({ settings }: (typeof features)[number]) => settings

type Settings = ReturnType<typeof settingsFor>

const isLocked = (error: unknown) => error instanceof DatabaseLocked
const isOutside = (error: unknown) =>
  isLocked(error) || error instanceof DatabaseUnwritable || error instanceof DatabaseAway

async function openDatabase({ settings }: Settings, log: Log): Promise<Database> {
  const database = await openTables(settings.database, migrations)
  const { newer } = database
  if (newer.length > 0) log.warn({ newer }, 'the database was changed by a newer release')
  return database
}

/**
 * Tries again what may pass: it would not help to end and to be started again. Does `meanwhile` before each new try.
 * @throws AbortError
 */
async function keepTrying<T>(
  work: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  stop: AbortSignal,
  meanwhile?: (error: unknown) => Promise<void>,
): Promise<T> {
  for (let said = ''; ; ) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Error) || !mayPass(error)) throw error
      if (error.message !== said) log.error(`${error.message}: waiting until that is over`)
      said = error.message
      await meanwhile?.(error)
      await delay(1000, undefined, { signal: stop })
    }
  }
}

function recordsOf({ settings }: Settings, database: Database, log: Log): DataContext {
  const { links: ofLinks } = settings
  if (!ofLinks) throw new TypeError('the web role makes no links')
  return {
    log,
    database,
    health: new Health(database),
    store: new Store(settings.store, log),
    links: new Links(ofLinks, database),
  }
}

async function runRoles(read: Settings, log: Log, stop: AbortSignal): Promise<void> {
  const { telegram, users, jobs, http, store, database: ofDatabase } = read.settings
  await using owned = new AsyncDisposableStack()
  // Ended before what it watches is.
  await using watchdog = new Watchdog(process.env, process.pid, log)
  let isServing = false
  const serve = async (context: () => AppContext) => {
    if (!http || isServing) return
    isServing = true
    const { startWeb } = await import('./roles/web.ts')
    const inherited = inheritedSocket(process.env, process.pid)
    owned.use(await startWeb(context(), http, read.settingsOf, inherited, watchdog))
  }
  const readable = owned.use(await openQueries(ofDatabase, log))
  /** For a web role that needs no one to write. */
  const readers = (): AppContext => {
    const links = new LinkLookup(readable)
    return { log, database: readable, health: new Health(readable), store: new Store(store, log), links }
  }
  // Each role's libraries are loaded for that role alone: memory is what a small machine has least of.
  if (telegram && users && jobs) {
    const { startBot, Alarm } = await import('./roles/bot.ts')
    const alarm = new Alarm(telegram, new Users(users, readable))
    /** Links go on, and the owner hears of what nobody else can mend. */
    const meanwhile = async (error: unknown) => {
      await serve(readers)
      watchdog.ready()
      if (error instanceof DatabaseUnwritable) await alarm.sound(error.reason, stop)
    }
    const open = async () => {
      const file = databaseFile(ofDatabase)
      if (file !== undefined) await reserveOf(file).require()
      readable.release()
      return await openDatabase(read, log)
    }
    const database = owned.use(await keepTrying(open, isOutside, stop, meanwhile))
    // Before anything of the bot's is touched, such as the files of another bot that are not whole yet.
    owned.use(await database.lock())
    const records = recordsOf(read, database, log)
    // A server that goes away is met by reads that wait for it; a file of SQLite's is read where it is written.
    await serve(database.dialect === 'postgres' ? readers : () => records)
    // From the unit: its sandbox hides the kernel's own.
    const bootId = process.env.BOOT_ID || undefined
    owned.use(await startBot(records, { telegram, users, jobs }, read.settingsOf, watchdog, bootId))
  } else await serve(readers)
  watchdog.ready()
  await ended(stop)
  log.info({ signal: stop.reason }, 'stopping')
}

/** A mistyped path must not become a new database, and the store that one's. */
async function requireDatabase(file: string | undefined): Promise<void> {
  if (file === undefined) return
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  )
  if (size > 0) return
  throw new StartError(`DATABASE_URL: there is no database at ${file}; its first start by the bot makes one`)
}

/** Says what would keep these roles from working, before anything that works is stopped for them. */
async function runCheck(roles: string[]): Promise<void> {
  const { settings } = settingsFor(roles, process.env)
  log = createLog('fatal', { journal, secrets: secretsOf(settings.database) })
  const { findFaults } = await import('./roles/check.ts')
  const subject = {
    database: settings.database,
    // The web role leaves the files to nginx, and on an installed machine it cannot see them.
    storePath: roles.includes('bot') ? settings.store.STORAGE_PATH : undefined,
    socket: settings.http?.SERVER_SOCKET,
    migrations,
  }
  const { faults, pending } = await findFaults(subject, log)
  if (faults.length > 0) throw new StartError(...faults)
  if (pending.length > 0) process.stdout.write(`the database is to be changed first: ${pending.join(', ')}\n`)
}

/** For a person who asked: what is set up wrong, as lines of text. */
function sayFaults(error: unknown): void {
  if (!(error instanceof StartError)) throw error
  process.exitCode = 1
  for (const fault of error.faults) process.stderr.write(`${scrub(fault)}\n`)
}

async function runCommand(command: OwnerCommand, stop: AbortSignal): Promise<void> {
  const read = settingsFor(['owner'], process.env)
  log = createLog('error', { journal, secrets: secretsOf(read.settings.database) })
  const { runForOwner } = await import('./roles/owner.ts')
  try {
    await requireDatabase(databaseFile(read.settings.database))
    await using database = await keepTrying(() => openDatabase(read, log), isLocked, stop)
    const said = await runForOwner(recordsOf(read, database, log), command)
    process.stdout.write(`${said}\n`)
  } catch (error) {
    process.exitCode = 1
    if (stop.aborted && error instanceof Error && error.name === 'AbortError') return
    // For a person, who asked for it: what is set up wrong, or what the file system says.
    if (!(error instanceof StartError) && !(error instanceof Error && 'syscall' in error)) throw error
    process.stderr.write(`${scrub(error.message)}\n`)
  }
}

async function runMove(words: string[]): Promise<void> {
  const { settings } = settingsFor(['owner'], process.env)
  const { moveDatabase, addressesIn } = await import('./roles/move.ts')
  const { from, to } = addressesIn(words, settings.database)
  log = createLog('error', { journal, secrets: [...secretsOf(from), ...secretsOf(to)] })
  await requireDatabase(databaseFile(from))
  process.stdout.write(`${await moveDatabase({ from, to, migrations, log })}\n`)
}

/** Aborted by the signal that asks to stop; from then on the process has {@link lastResort} to end by itself. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      setTimeout(() => process.exit(1), lastResort).unref()
      stop.abort(signal)
    })
  }
  return stop.signal
}

async function ended(stop: AbortSignal): Promise<void> {
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve))
}

async function main(words: string[]): Promise<void> {
  const stop = stopSignal()
  const command = commands.find(({ name }) => name === words[0])
  if (words.includes('--help')) process.stdout.write(usage)
  else if (command) await runCommand(command, stop)
  else if (words[0] === move) await runMove(words.slice(1)).catch(sayFaults)
  else {
    const roles = words.filter((word) => word !== '--check')
    const unknown = roles.filter((role) => role !== 'bot' && role !== 'web')
    if (unknown.length > 0) {
      throw new StartError(
        `unknown role ${unknown.join(', ')}: the roles are bot and web; --help names the commands`,
      )
    }
    const asked = roles.length === 0 ? ['bot', 'web'] : roles
    if (words.includes('--check')) return await runCheck(asked).catch(sayFaults)
    const read = settingsFor(asked, process.env)
    const code = read.settings.users?.CLAIM_CODE
    const secrets = [...(code === undefined ? [] : [code]), ...secretsOf(read.settings.database)]
    log = createLog(read.settings.log.LOG_LEVEL, { journal, secrets })
    takeOverConsole(log)
    try {
      await runRoles(read, log, stop)
    } catch (error) {
      if (!stop.aborted || !(error instanceof Error) || error.name !== 'AbortError') throw error
    }
    log.info('stopped')
  }
}

const journal = process.env.JOURNAL_STREAM !== undefined
let log = createLog('info', { journal })
takeOverConsole(log)
// Node itself would print the error as it is, which may hold the token.
process.on('uncaughtException', (error) => {
  log.fatal({ error }, 'ended by a fault of the program')
  process.exit(1)
})
try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof StartError) for (const fault of error.faults) log.fatal(fault)
  else if (isDamage(error)) log.fatal({ error }, 'DATABASE_URL: the database is damaged; put back a backup')
  else log.fatal({ error }, 'ended by a fault of the program')
  process.exitCode = 1
}
