import type { AppContext } from '../context.ts'
import { openQueries } from '../core/database/database.ts'
import { DatabaseUnwritable } from '../core/database/errors.ts'
import { reserveOf } from '../core/database/reserve.ts'
import { databaseFile } from '../core/database/settings.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { Health } from '../core/health.ts'
import { inheritedSocket } from '../core/inherited-socket.ts'
import type { Log } from '../core/log.ts'
import { Metrics } from '../core/metrics.ts'
import { databaseModule } from '../core/module.ts'
import { Watchdog } from '../core/watchdog.ts'
import { healthParts, metrics } from '../declarations.ts'
import { LinkLookup } from '../links/index.ts'
import type { Role } from '../roles.ts'
import { Store } from '../store/index.ts'
import { storeModule } from '../store/module.ts'
import { isOutside, keepTrying, openDatabase, recordsOf } from './database.ts'

interface Surroundings {
  env: NodeJS.ProcessEnv
  pid: number
  log: Log
  stop: AbortSignal
}

/**
 * Runs roles in this process until `stop` is aborted. The web role does not wait for the database: links are served as
 * soon as they can be, also while a role that writes waits for it.
 */
export async function runRoles(
  roles: Role[],
  settingsOf: SettingsOf,
  { env, pid, log, stop }: Surroundings,
): Promise<void> {
  const has = (name: string) => roles.some((role) => role.name === name)
  await using owned = new AsyncDisposableStack()
  // Ended before what it watches is.
  await using watchdog = new Watchdog(env, pid, log)
  let isServing = !has('web')
  const serve = async (context: () => AppContext) => {
    if (isServing) return
    isServing = true
    const { startWeb } = await import('../roles/web.ts')
    owned.use(await startWeb(context(), settingsOf, inheritedSocket(env, pid), watchdog))
  }
  const ofDatabase = settingsOf(databaseModule)
  const readable = owned.use(await openQueries(ofDatabase, log))
  /** For a web role that needs no one to write. */
  const readers = (): AppContext => {
    const context = {
      log,
      database: readable,
      health: new Health(readable, healthParts),
      metrics: new Metrics(readable, metrics),
      store: new Store(settingsOf(storeModule), log),
      links: new LinkLookup(readable),
    }
    owned.use(context.metrics.start(log, { reads: false }))
    return context
  }
  // Each role's libraries are loaded for that role alone: memory is what a small machine has least of.
  if (roles.every(({ name }) => name === 'web')) await serve(readers)
  else {
    const bot = has('bot') ? await import('../roles/bot.ts') : undefined
    const alarm = bot && new bot.Alarm(settingsOf, readable)
    /** Links go on, and the owner hears of what nobody else can mend. */
    const meanwhile = async (error: unknown) => {
      await serve(readers)
      watchdog.ready()
      if (error instanceof DatabaseUnwritable) await alarm?.sound(error.reason, stop)
    }
    const open = async () => {
      const file = databaseFile(ofDatabase)
      if (file !== undefined) await reserveOf(file).require()
      readable.release()
      return await openDatabase(settingsOf, log)
    }
    const database = owned.use(await keepTrying(open, { log, mayPass: isOutside, stop }, meanwhile))
    // Before anything of the bot's is touched, such as the files of another bot that are not whole yet.
    if (bot) owned.use(await database.lock())
    const records = recordsOf(settingsOf, database, log)
    owned.use(records.metrics.start(log, { reads: bot !== undefined }))
    // A server that goes away is met by reads that wait for it; a file of SQLite's is read where it is written.
    await serve(database.dialect === 'postgres' ? readers : () => records)
    // From the unit: its sandbox hides the kernel's own.
    if (bot) owned.use(await bot.startBot(records, settingsOf, watchdog, env.BOOT_ID || undefined))
    for (const { name, features } of roles) {
      for (const feature of features) {
        if (feature.role?.name !== name) continue
        owned.use(await feature.role.start({ ...records, watchdog }, settingsOf(feature)))
        log.info(`${name}: ready`)
      }
    }
  }
  watchdog.ready()
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve))
  log.info({ signal: stop.reason }, 'stopping')
}
