import { Composer, type Context } from 'telegraf'
import type { z } from 'zod'
import { Cron } from './core/cron.ts'
import { features } from './features.ts'
import type { BotHouse, House, SettingsOf } from './house.ts'
import { Jobs, Queue } from './jobs/index.ts'
import { TelegramBot, type telegramSettings } from './telegram/index.ts'
import { Users, type usersSettings } from './users/index.ts'

interface BotSettings {
  telegram: z.output<typeof telegramSettings>
  users: z.output<typeof usersSettings>
}

/**
 * Starts the bot role: updates, jobs and the clock. Disposing of it ends the running handler, hands running jobs back
 * to the queue, and ends after the messages on their way.
 */
export async function startBot(
  house: House,
  settings: BotSettings,
  settingsOf: SettingsOf,
): Promise<AsyncDisposable> {
  const { database, health, log } = house
  const telegram = new TelegramBot({ settings: settings.telegram, database, health, log })
  await Promise.all([house.store.open(), telegram.check()])
  await using started = new AsyncDisposableStack()
  started.use(telegram)

  const jobs = new Jobs(database, log)
  const bot: BotHouse = { ...house, telegram, jobs, users: new Users(settings.users) }
  const offered = await Promise.all(features.map((feature) => feature.bot?.(bot, settingsOf(feature))))
  const parts = offered.filter((part) => part !== undefined)
  const kinds = parts.flatMap((part) => part.jobKinds ?? [])
  const queue = started.use(new Queue({ jobs, kinds, transaction: database.transaction, log }))
  started.use(
    new Cron(
      parts.flatMap((part) => part.cron ?? []),
      log,
    ),
  )

  const handlers = Composer.compose(parts.flatMap((part) => part.handlers ?? []))
  const commands = parts.flatMap((part) => part.commands ?? [])
  const stop = new AbortController()
  const updates = telegram.run(new Composer<Context>(handlers), commands, stop.signal)
  // A failure here is a fault of the program: without updates the role is of no use, so systemd starts it anew.
  updates.catch((error) => {
    log.fatal({ error }, 'updates ended')
    process.exit(1)
  })
  started.defer(async () => {
    stop.abort()
    await updates
  })
  await queue.start()
  log.info({ bot_id: telegram.id }, 'bot: ready')
  return started.move()
}
