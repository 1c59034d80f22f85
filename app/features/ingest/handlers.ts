import { Composer, type Context } from 'telegraf'
import type { Message } from 'telegraf/types'
import type { BotContext } from '../../context.ts'
import { RateLimiterMemory } from '../../core/rate-limiter.ts'
import type { NewMessage } from '../../outbox/index.ts'
import { askedOf, placeOf, writerOf } from '../../telegram/index.ts'
import { Albums } from './albums.ts'
import { attachmentOf } from './attachment.ts'
import { rateLimited } from './failures.ts'
import type { Asked, Intake } from './intake.ts'
import { readPayload } from './payload.ts'
import type { IngestSettings } from './settings.ts'
import {
  anonymous,
  goesOn,
  type Hold,
  help,
  helpInGroup,
  linkWithoutFile,
  notAFile,
  notAllowed,
  unknownCommand,
} from './texts.ts'

type Heard = Context & { message: Message }

/**
 * Files, commands and presses of Retry. In a private chat everything that a person says gets an answer; in a group
 * people talk to each other, and the bot is silent until someone asks it by /link or by its name.
 */
export function handlers(context: BotContext, settings: IngestSettings, intake: Intake): Composer<Context> {
  const { users, links } = context
  const terms = { limit: settings.MAX_FILE_SIZE, days: links.retentionDays }
  const albums = new Albums()
  const composer = new Composer<Context>()
  composer.on('message', async (ctx, next) => {
    const isHandled = ctx.chat.type === 'private' ? await hearPrivate(ctx) : await hearGroup(ctx)
    if (!isHandled) await next()
  })
  composer.on('callback_query', async (ctx, next) => {
    const press = ctx.callbackQuery
    const [, job] = /^retry:(\d{1,15})$/.exec('data' in press ? press.data : '') ?? []
    if (job === undefined) await next()
    else context.telegram.answerPress(press.id, await retry(context, intake, press.from.id, Number(job)))
  })
  return composer

  async function hearPrivate({ message, me }: Heard): Promise<boolean> {
    const { command, isForAnother } = askedOf(message, me)
    const [userId, place] = [message.from?.id, placeOf(message)]
    if (userId === undefined || writerOf(message) !== 'person') return false
    const asked = command === 'link' && !isForAnother ? answeredFile(message) : undefined
    const source = ownFile(message) ?? asked
    if (source) await take(message, source, userId)
    else if (isForAnother) return false
    else if (command === 'start' || command === 'help') {
      await reply(context, userId, { ...place, text: await forUser(userId, help(terms)) })
    } else if (speaks(message)) {
      const answer =
        command === undefined ? notAFile : command === 'link' ? linkWithoutFile : unknownCommand(command)
      await reply(context, userId, { ...place, text: await forUser(userId, answer) })
    } else return false
    return true
  }

  /** Strangers hear that they are, whatever they have said. */
  async function forUser(userId: number, text: string): Promise<string> {
    return (await users.mayUse(userId)) ? text : notAllowed(userId, await users.isOwnerless())
  }

  async function hearGroup({ message, me }: Heard): Promise<boolean> {
    const { command, isForUs } = askedOf(message, me)
    const writer = writerOf(message)
    if (!message.from || writer === 'machine') return false
    const [userId, place] = [message.from.id, placeOf(message)]
    const own = attachmentOf(message) && writer === 'person' ? albums.add(message, isForUs) : []
    for (const file of own) {
      const source = ownFile(file)
      if (source) await take(file, source, userId)
    }
    if (own.length > 0 || !isForUs) return own.length > 0
    // Limits, quotas and the list of who may use the bot go by persons.
    if (writer === 'anonymous') await reply(context, place.chatId, { ...place, text: anonymous })
    else {
      const source = answeredFile(message)
      if (source) await take(message, source, userId)
      else await reply(context, userId, { ...place, text: answerInGroup(command, me) })
    }
    return true
  }

  function answerInGroup(command: string | undefined, me: string): string {
    if (command === undefined || command === 'start' || command === 'help') return helpInGroup(`@${me}`)
    return command === 'link' ? linkWithoutFile : unknownCommand(command, `@${me}`)
  }

  async function take(asking: Message, source: Source, userId: number): Promise<void> {
    const place = { ...placeOf(asking), replyTo: asking.message_id }
    await intake.receive({ userId, place, ...source })
  }
}

/** A file, and the message of this chat that carries it. */
type Source = Pick<Asked, 'file' | 'messageId'>

function ownFile(message: Message): Source | undefined {
  const file = attachmentOf(message)
  return file && { file, messageId: message.message_id }
}

/** The file of the message that this one answers. */
function answeredFile(message: Message): Source | undefined {
  if ('reply_to_message' in message && message.reply_to_message) return ownFile(message.reply_to_message)
  // An answer to a message of another chat carries the file of that one itself.
  const other = 'external_reply' in message ? message.external_reply : undefined
  const { date, message_id } = message
  const file = other && attachmentOf({ ...other, date, message_id })
  return file && { file, messageId: message_id }
}

const words = 'text sticker location contact poll dice story game paid_media checklist'.split(' ')

/** What is neither text nor file, such as a pinned message, needs no answer. */
function speaks(message: Message): boolean {
  return words.some((kind) => kind in message)
}

/** Answers a minute that someone gets to mere words: one who floods the bot must not use up what it may send. */
const replies = new RateLimiterMemory({ points: 20, duration: 60 })

async function reply({ outbox, log }: BotContext, to: number, message: NewMessage): Promise<void> {
  const allowed = await replies.consume(to).then(
    () => true,
    () => false,
  )
  if (allowed) await outbox.post(message)
  else log.debug({ to }, 'no answer: too many')
}

/** Returns what Telegram shows to who has pressed Retry. */
async function retry(context: BotContext, intake: Intake, userId: number, jobId: number): Promise<string> {
  const { jobs, users } = context
  const job = await jobs.find(jobId)
  if (!job) return 'That was too long ago. Send the file again.'
  if (!job.kind.startsWith('ingest') || job.userId !== userId || !(await users.mayUse(userId))) {
    return 'Only the person who asked for the link can do that.'
  }
  if (job.status === 'COMPLETED') return 'It is done already.'
  if (!readPayload(job)) return 'The server has lost what it knew of this file. Send it again.'
  if (job.status === 'FAILED') {
    const made = await intake.again(job)
    return made === undefined ? 'Not now: the chat says why.' : await retry(context, intake, userId, made)
  }
  // A wait that Telegram asked for is kept.
  const queued = await jobs.hurry(jobId, { unless: rateLimited })
  if (!queued) return 'Your file is on its way already.'
  const held = await heldBy(context, queued)
  return held === undefined ? 'Trying again.' : goesOn(held, queued.wait / 1000)
}

/** Why a queued job does not begin now, if it does not. */
async function heldBy(
  { breakers, store }: BotContext,
  { wait, errorType }: { wait: number; errorType: string | null },
): Promise<Hold | undefined> {
  if (wait > 0) return errorType === rateLimited ? 'flood' : 'turn'
  if (!breakers.machine.isClosed) return 'machine'
  if (!breakers.telegram.isClosed) return 'telegram'
  return (await store.isLow()) ? 'room' : undefined
}
