import { dirname } from 'node:path'
import { Composer, type Context, type MiddlewareFn } from 'telegraf'
import type { z } from 'zod'
import type { BotContext, BotParts, DataContext, SettingsOf } from '../context.ts'
import type { Database } from '../core/database/database.ts'
import { Leadership } from '../core/database/leadership.ts'
import { codeOf, StartError, Unavailable } from '../core/errors.ts'
import { counted, duration } from '../core/format.ts'
import type { PartHealth } from '../core/health.ts'
import { makeFolder } from '../core/make-folder.ts'
import { Schedule } from '../core/schedule.ts'
import { WallClock } from '../core/wall-clock.ts'
import type { Watchdog } from '../core/watchdog.ts'
import { features } from '../features.ts'
import {
  Breaker,
  hasCrashed,
  InHand,
  Jobs,
  type JobsSettings,
  Queue,
  rateLimits,
  refusalOf,
  type Trouble,
  thisWorker,
} from '../jobs/index.ts'
import { type Delivery, Outbox } from '../outbox/index.ts'
import { sayNow, TelegramBot, type telegramSettings } from '../telegram/index.ts'
import { Users, type usersSettings } from '../users/index.ts'

interface BotSettings {
  telegram: z.output<typeof telegramSettings>
  users: z.output<typeof usersSettings>
  jobs: JobsSettings
}

/**
 * Starts the bot role: updates, jobs and the clock. Disposing of it ends the running handler, hands running jobs back
 * to the queue, and ends after the messages on their way.
 * @param bootId the machine's, where the process may not see it by itself
 */
export async function startBot(
  context: DataContext,
  settings: BotSettings,
  settingsOf: SettingsOf,
  watchdog: Watchdog,
  bootId?: string,
): Promise<AsyncDisposable> {
  const { database, health, log, store, links } = context
  const startCode = settings.users.CLAIM_CODE
  const telegram = new TelegramBot({ settings: settings.telegram, startCode, database, health, log })
  const jobs = new Jobs(database, log)
  const self = thisWorker(bootId)
  const hasEnded = (process: string) => hasCrashed(process, self)
  const leadership = new Leadership({ database, log, self, hasEnded })
  const outbox = new Outbox(telegram.api, database, log, () => leadership.isHeld)
  const knowAny = async (names: string[]) =>
    (await jobs.making(names)).size + (await links.filterKnown(names)).size > 0
  const claims = async () => ({ any: await links.any(), sample: await links.sample(50), knowAny })
  store.attach(database)
  await telegram.check()
  await store.open(claims, settings.telegram.BOT_API_DIR)
  await using started = new AsyncDisposableStack()
  // Given up when nothing of what it allows goes on any more.
  started.use(leadership)
  started.use(telegram)
  started.use(outbox)

  const clock = started.use(new WallClock(database, log))
  outbox.chats.whenMoved(async (from, to) => {
    await jobs.moveChat(telegram.id, from, to)
    await context.links.moveChat(telegram.id, from, to)
  })
  outbox.whenSent((topic, delivery, reason) => recordDelivery(jobs, topic, delivery, reason))
  const users = new Users(settings.users, database)
  const tellOwners = async (text: string) => {
    for (const chatId of await users.administrators()) await outbox.post({ chatId, text })
  }
  const machine = started.use(
    new Breaker({
      name: 'machine',
      log,
      // Writes to both, as every job does.
      probe: async () => {
        await context.store.probe()
        await reportQueue()
      },
      tell: (trouble) => tellOwners(describe(trouble)),
    }),
  )
  const probe = (signal: AbortSignal) => telegram.probe(signal)
  const breakers = { machine, telegram: started.use(new Breaker({ name: 'telegram', log, probe })) }
  const bot: BotContext = {
    ...context,
    telegram,
    outbox,
    jobs,
    clock,
    users,
    breakers,
    jobLimits: (of) => refusalOf(jobs, settings.jobs, of),
    jobRates: (of) => rateLimits(settings.jobs, of),
  }
  const offered = await Promise.all(features.map((feature) => feature.bot?.(bot, settingsOf(feature))))
  const parts = offered.filter((part) => part !== undefined)
  const kinds = parts.flatMap((part) => part.jobKinds ?? [])
  const delays = settings.jobs.RETRY_DELAYS
  const { transaction } = database
  const note = database.besides('in-hand')
  await makeFolder(dirname(note)).catch((error) => {
    throw new StartError(`STATE_DIRECTORY: ${dirname(note)} cannot be made (${codeOf(error)})`)
  })
  const inHand = started.use(new InHand(note, log, bootId))
  const endedOthers = (count: number) => tellOwners(describeOthers(count))
  const queue = started.use(
    new Queue({ jobs, kinds, botId: telegram.id, machine, delays, inHand, transaction, log, endedOthers }),
  )
  const reportQueue = async () => await health.report('queue', faultOf(database) ?? (await queue.health()))
  const watch = { name: 'queue health', schedule: '*/10 * * * * *', atStart: true, run: reportQueue }
  const handlers = Composer.compose(parts.flatMap((part) => part.handlers ?? []))
  const commands = parts.flatMap((part) => part.commands ?? [])
  const stop = new AbortController()
  const leading = started.use(new AsyncDisposableStack())
  started.defer(async () => stop.abort())
  /** A process that stood still may have been replaced: what it was about to handle is left to the other one. */
  const unlessReplaced: MiddlewareFn<Context> = async (_, next) => {
    if (!leadership.isHeld) throw new Error('another process may serve the updates')
    await next()
  }
  const lead = async () => {
    const entries = [watch, ...parts.flatMap((part) => part.schedule ?? [])].map((entry) => {
      const run = async (signal: AbortSignal) => {
        if (leadership.isHeld) await entry.run(signal)
      }
      return { ...entry, run }
    })
    const schedule = leading.use(new Schedule(entries, log))
    watchdog.watch('clock', () => schedule.comesRound())
    const updates = telegram.run({
      handlers: new Composer<Context>(unlessReplaced, handlers),
      commands,
      outbox,
      signal: stop.signal,
    })
    leading.defer(async () => await updates)
    await updates
  }
  // Without updates the role is of no use, and of two processes one serves them: so systemd starts it anew.
  const end = (error: unknown) => {
    log.fatal({ error }, 'updates ended')
    process.exit(1)
  }
  leadership.whenLost(() => end(new Error('another process serves them now')))
  const follow = async () => {
    log.info('bot: another process serves the updates; this one does jobs')
    telegram.standBy(stop.signal).catch(end)
    if (!(await leadership.gained(stop.signal)) || stop.signal.aborted) return
    await openClock(bot, parts)
    await lead()
  }
  if (await leadership.take()) {
    await openClock(bot, parts)
    lead().catch(end)
  } else {
    await clock.consult()
    follow().catch(end)
  }
  await queue.start()
  watchdog.watch('queue', () => queue.comesRound())
  watchdog.watch('calls of Telegram', () => telegram.comesRound())
  log.info({ bot_id: telegram.id }, 'bot: ready')
  return started.move()
}

/** Tells the owner at once of a database without which no message can be kept until it has arrived. */
export class Alarm {
  readonly #settings: BotSettings['telegram']
  readonly #users: Users
  readonly #told = new Set<number>()

  /** @param users of a database that need not be readable */
  constructor(telegram: BotSettings['telegram'], users: Users) {
    this.#settings = telegram
    this.#users = users
  }

  /** To be repeated as long as it lasts: the Bot API server may start later. @param reason ends a sentence */
  async sound(reason: string, signal: AbortSignal): Promise<void> {
    const text =
      `The server's database cannot be written to: ${reason}. Links work; the bot does nothing else until you have ` +
      'mended that, and then goes on by itself.'
    const administrators = await this.#users.administrators().catch((error) => {
      if (error instanceof Unavailable) return this.#users.appointed
      throw error
    })
    const untold = administrators.filter((id) => !this.#told.has(id))
    const left = await sayNow(this.#settings, untold, text, signal)
    for (const id of untold) if (!left.includes(id)) this.#told.add(id)
  }
}

/** What waits is due when it was to be, although the clock was set since: moved once, with the clock's record. */
async function openClock(
  { database, clock, jobs, outbox, log }: BotContext,
  parts: BotParts[],
): Promise<void> {
  const moved = await database.transaction(async () => {
    const by = await clock.open()
    if (by !== 0) {
      await jobs.shiftTimes(by)
      await outbox.shiftTimes(by)
      for (const part of parts) await part.shiftTimes?.(by)
    }
    return by
  })
  if (moved !== 0) log.warn({ milliseconds: moved }, 'the clock was set: what waits is moved with it')
}

/** Why files cannot be relied on to go on, whatever the queue says. */
function faultOf({ isDamaged, isInPlace }: Database): PartHealth | undefined {
  if (!isInPlace) return { ok: false, detail: 'the database was removed or replaced' }
  return isDamaged ? { ok: false, detail: 'the database is damaged' } : undefined
}

/** For the owner. */
function describe({ isOver, reason, seconds }: Trouble): string {
  return isOver
    ? `The server's problem (${reason}) is over; it lasted ${duration(seconds)}. Files go on.`
    : `The server has a problem with its disk or database (${reason}). Files wait and go on by themselves when it is over. The log has more.`
}

function describeOthers(count: number): string {
  return (
    `This is another bot than before. ${counted(count, 'file')} sent to the one before can only be fetched with its token, ` +
    `and ${count === 1 ? 'was' : 'were'} given up. Should that bot come back, it tells who sent them, and they can press Retry.`
  )
}

const deliveryEvents = {
  started: 'TELEGRAM_SEND_STARTED',
  finished: 'TELEGRAM_SEND_FINISHED',
  failed: 'TELEGRAM_SEND_FAILED',
} as const

/** A message about a job has the topic `job:<id>`. */
async function recordDelivery(jobs: Jobs, topic: string, delivery: Delivery, reason?: string): Promise<void> {
  const job = await jobs.find(Number(topic.replace(/^job:/, '')))
  if (job) await jobs.events.record(job, deliveryEvents[delivery], reason === undefined ? {} : { reason })
}
