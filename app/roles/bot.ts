import { dirname } from 'node:path'
import type { BotContext, BotParts, DataContext } from '../context.ts'
import type { Database } from '../core/database/database.ts'
import { Leadership } from '../core/database/leadership.ts'
import type { Queries } from '../core/database/reader.ts'
import type { SettingsOf } from '../core/declaration.ts'
import { codeOf, StartError, Unavailable } from '../core/errors.ts'
import { counted, duration } from '../core/format.ts'
import type { PartHealth } from '../core/health.ts'
import { makeFolder } from '../core/make-folder.ts'
import { Schedule } from '../core/schedule.ts'
import { WallClock } from '../core/wall-clock.ts'
import type { Watchdog } from '../core/watchdog.ts'
import { hasCrashed, thisWorker } from '../core/worker.ts'
import { features } from '../features.ts'
import { Breaker, InHand, Jobs, Queue, refusalOf, type Trouble } from '../jobs/index.ts'
import { jobsModule } from '../jobs/module.ts'
import { type DeliveryEvent, Outbox, OutboxSender } from '../outbox/index.ts'
import { ClaimTable, sayNow, TelegramBot } from '../telegram/index.ts'
import { telegramModule } from '../telegram/module.ts'
import { Users } from '../users/index.ts'
import { usersModule } from '../users/module.ts'

/**
 * Starts the bot role: updates, jobs and the clock. Disposing of it ends the running handler, hands running jobs back
 * to the queue, and ends after the messages on their way.
 * @param bootId the machine's, where the process may not see it by itself
 */
export async function startBot(
  context: DataContext,
  settingsOf: SettingsOf,
  watchdog: Watchdog,
  bootId?: string,
): Promise<AsyncDisposable> {
  const { database, health, log, store, links } = context
  const settings = {
    telegram: settingsOf(telegramModule),
    users: settingsOf(usersModule),
    jobs: settingsOf(jobsModule),
  }
  const startCode = settings.users.CLAIM_CODE
  const telegram = new TelegramBot({ settings: settings.telegram, startCode, database, health, log })
  const jobs = new Jobs(database, log)
  const self = thisWorker(bootId)
  const hasEnded = (process: string) => hasCrashed(process, self)
  const leadership = new Leadership({ database, log, self, hasEnded })
  const outbox = new Outbox(database, log, telegram.id)
  const maySend = () => leadership.isHeld
  const sender = new OutboxSender({ api: telegram.api, outbox, database, log, maySend })
  const knowAny = async (names: string[]) =>
    (await jobs.reservations.held(names)).size + (await links.filterKnown(names)).size > 0
  const claims = async () => ({ any: await links.any(), sample: await links.sample(50), knowAny })
  store.attach(database)
  await telegram.check()
  await store.open(claims, settings.telegram.BOT_API_DIR, self)
  await using started = new AsyncDisposableStack()
  // Given up when nothing of what it allows goes on any more.
  started.use(leadership)
  started.use(telegram)
  started.use(sender)

  const clock = started.use(new WallClock(database, log))
  sender.chats.whenMoved(async (from, to) => {
    await jobs.moveChat(telegram.id, from, to)
    await context.links.moveChat(telegram.id, from, to)
  })
  sender.whenSent((event) => recordDelivery(jobs, event))
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
    sender,
    jobs,
    clock,
    users,
    breakers,
    jobRefusal: (limits, userId) => refusalOf(jobs, settings.jobs, limits, userId),
  }
  const parts = await Promise.all(
    features.map(async (feature) => ({
      feature: feature.name,
      ...(await feature.bot?.(bot, settingsOf(feature))),
    })),
  )
  const claimed = new ClaimTable(parts)
  const kinds = parts.flatMap((part) => part.jobKinds ?? [])
  const { transaction } = database
  const note = database.besides('in-hand')
  await makeFolder(dirname(note)).catch((error) => {
    throw new StartError(`STATE_DIRECTORY: ${dirname(note)} cannot be made (${codeOf(error)})`)
  })
  const inHand = started.use(new InHand(note, log, bootId))
  const own = { id: telegram.id, endedOthers: (count: number) => tellOwners(describeOthers(count)) }
  const queue = started.use(new Queue({ jobs, kinds, bot: own, machine, inHand, transaction, log }))
  const reportQueue = async () => await health.report('queue', faultOf(database) ?? (await queue.health()))
  const watch = { name: 'queue health', schedule: '*/10 * * * * *', atStart: true, run: reportQueue }
  const stop = new AbortController()
  const leading = started.use(new AsyncDisposableStack())
  started.defer(async () => stop.abort())
  /** A process that stood still may have been replaced: what it was about to handle is left to the other one. */
  const heard = async (update: Parameters<typeof sender.chats.heard>[0]) => {
    if (!leadership.isHeld) throw new Error('another process may serve the updates')
    await sender.chats.heard(update)
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
      claims: claimed,
      users,
      outbox: {
        chats: { heard },
        heard: (chatId, messageId) => sender.heard(chatId, messageId),
        start: () => sender.start(),
        post: (message) => outbox.post(message),
      },
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
  readonly #settings: ConstructorParameters<typeof TelegramBot>[0]['settings']
  readonly #users: Users
  readonly #told = new Set<number>()

  /** @param database need not be readable */
  constructor(settingsOf: SettingsOf, database: Queries) {
    this.#settings = settingsOf(telegramModule)
    this.#users = new Users(settingsOf(usersModule), database)
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

const stage = 'TELEGRAM_SEND'

const deliveryEvents = {
  started: { name: 'TELEGRAM_SEND_STARTED', stage },
  finished: { name: 'TELEGRAM_SEND_FINISHED', stage },
  failed: { name: 'TELEGRAM_SEND_FAILED', stage },
}

/** A message about a job has the topic `job:<id>`. */
async function recordDelivery(jobs: Jobs, { topic, delivery, reason }: DeliveryEvent): Promise<void> {
  const job = await jobs.find(Number(topic.replace(/^job:/, '')))
  if (job) await jobs.events.record(job, deliveryEvents[delivery], reason === undefined ? {} : { reason })
}
