import { randomUUID } from 'node:crypto'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { Composer, type Context } from 'telegraf'
import type { BotHouse } from '../house.ts'
import type { NewMessage } from '../telegram/index.ts'
import { refusalOf } from './admission.ts'
import { type Attachment, attachmentOf } from './attachment.ts'
import type { IngestSettings } from './settings.ts'
import { help, notAFile, notAllowed, received, waitingForRoom } from './texts.ts'
import { kindOf, type Payload } from './transfer.ts'

/** Files, commands, presses of Retry, and a word to everything else that people say to the bot. */
export function handlers(house: BotHouse, settings: IngestSettings): Composer<Context> {
  const { users, links } = house
  const composer = new Composer<Context>()
  const greet = async (ctx: Context) => {
    if (!ctx.chat || !ctx.from) return
    const text = users.mayUse(ctx.from.id)
      ? help({ limit: settings.MAX_FILE_SIZE, days: links.retentionDays })
      : notAllowed(ctx.from.id)
    await reply(house, ctx.from.id, { chatId: ctx.chat.id, text })
  }
  composer.start(greet)
  composer.help(greet)
  composer.action(/^retry:(\d+)$/, (ctx) => retry(house, settings, ctx, Number(ctx.match[1])))
  composer.on('message', async (ctx) => {
    const file = attachmentOf(ctx.message)
    const { id: userId } = ctx.from
    const message = { chatId: ctx.chat.id, replyTo: ctx.message.message_id }
    if (file) return await receive(house, settings, { ...message, userId, file })
    // In a group people talk to each other; and what is neither text nor file (a pinned message) needs no answer.
    const speaks = ['text', 'sticker', 'location', 'contact', 'poll'].some((kind) => kind in ctx.message)
    if (ctx.chat.type !== 'private' || !speaks) return
    await reply(house, userId, { ...message, text: users.mayUse(userId) ? notAFile : notAllowed(userId) })
  })
  return composer
}

/** Answers a minute that a user gets besides links: one who floods the bot must not use up what it may send. */
const replies = new RateLimiterMemory({ points: 20, duration: 60 })

async function reply({ telegram, log }: BotHouse, userId: number, message: NewMessage): Promise<void> {
  const allowed = await replies.consume(userId).then(
    () => true,
    () => false,
  )
  if (allowed) await telegram.messages.post(message)
  else log.debug({ user_id: userId }, 'no answer: too many')
}

async function receive(
  house: BotHouse,
  settings: IngestSettings,
  message: { chatId: number; replyTo: number; userId: number; file: Attachment },
): Promise<void> {
  const { telegram, jobs, links, store, log } = house
  const { chatId, replyTo, userId, file } = message
  const key = `ingest:${telegram.id}:${chatId}:${replyTo}`
  // The same message under another update id, as after a move to another Bot API server.
  if (await jobs.has(key)) return
  const refusal = await refusalOf(house, settings, { userId, chatId }, file)
  if (refusal !== undefined) {
    log.info({ user_id: userId, chat_id: chatId, size: file.size, reason: refusal }, 'file not taken')
    return await reply(house, userId, { chatId, replyTo, text: refusal })
  }
  const text = (await store.isLow()) ? waitingForRoom(file) : received(file)
  const statusMessage = await telegram.messages.post({ chatId, replyTo, text })
  const { fileId, fileUniqueId, name, mimeType, size } = file
  const payload: Payload = {
    uuid: randomUUID(),
    statusMessage,
    messageId: replyTo,
    fileId,
    fileUniqueId,
    name,
    mimeType,
    size,
  }
  await jobs.create({
    ...(await kindOf(links, settings, payload)),
    key,
    botId: telegram.id,
    userId,
    chatId,
    payload,
  })
}

async function retry(house: BotHouse, settings: IngestSettings, ctx: Context, jobId: number): Promise<void> {
  const { telegram, jobs, links, users } = house
  const press = ctx.callbackQuery
  if (!press) return
  const job = await jobs.find(jobId)
  if (!job) return telegram.answerPress(press.id, 'That was too long ago. Send the file again.')
  if (!job.kind.startsWith('ingest') || job.userId !== press.from.id || !users.mayUse(press.from.id)) {
    telegram.answerPress(press.id, 'Only the sender of the file can do that.')
    return
  }
  const payload = job.payload as Payload
  // A wait that Telegram asked for is kept.
  if (job.status === 'QUEUED') await jobs.hurry(jobId, { unless: 'RATE_LIMIT' })
  if (job.status === 'FAILED') {
    const { botId, userId, chatId } = job
    const refusal = await refusalOf(house, settings, { userId, chatId }, payload)
    if (refusal !== undefined) {
      telegram.answerPress(press.id, 'Not now.')
      return await reply(house, userId, { chatId, replyTo: payload.messageId, text: refusal })
    }
    const sort = await kindOf(links, settings, payload)
    // The failed job is the history; a new one does the work, and its key allows one for each failure.
    const key = `retry:${jobId}`
    const created = await jobs.create({ ...sort, key, botId, userId, chatId, payload })
    if (created !== undefined) {
      await telegram.messages.revise(payload.statusMessage, { text: received(payload) })
    }
  }
  telegram.answerPress(press.id, job.status === 'COMPLETED' ? 'It is done already.' : 'Trying again.')
}
