import type { BotContext, BotParts } from '../../context.ts'
import type { FileRequest, Press, Stranger } from '../../telegram/index.ts'
import { texts } from './catalogue.ts'
import { rateLimited } from './failures.ts'
import type { Intake } from './intake.ts'
import { isOfFile } from './kinds.ts'
import { readPayload } from './payload.ts'
import type { Refusals } from './refusals.ts'
import type { IngestSettings } from './settings.ts'
import type { Hold } from './texts.ts'

interface Parts {
  context: BotContext
  settings: IngestSettings
  intake: Intake
  refusals: Refusals
}

/** Files, /link as an answer to one, and presses of Retry. */
export function declared(parts: Parts): Pick<BotParts, 'commands' | 'claims' | 'help'> {
  const { context, settings, intake, refusals } = parts
  const { links, log } = context
  const terms = { limit: settings.MAX_FILE_SIZE, days: links.retentionDays }
  return {
    commands: [
      {
        name: 'link',
        description: texts.each(({ getItsLink }) => getItsLink),
        audience: 'allowed',
        places: 'everywhere',
        isHeardBare: true,
        handle: async (message) =>
          message.answeredFile
            ? await take({ message, ...message.answeredFile })
            : texts.in(message.language).linkWithoutFile,
        async refuse(message, stranger) {
          if (message.answeredFile) return await refuse({ message, ...message.answeredFile }, stranger)
          // In a group it is no secret what the bot is for.
          return message.isPrivate ? stranger.usual : texts.in(message.language).linkWithoutFile
        },
      },
    ],
    claims: {
      files: { handle: take, refuse },
      callbacks: [
        {
          prefix: 'retry:',
          handle: async (press) =>
            /^\d{1,15}$/.test(press.data) ? await retry(parts, press, Number(press.data)) : undefined,
          refuse: async ({ language }) => texts.in(language).notYours,
        },
      ],
    },
    help: [
      { audience: 'allowed', places: 'private', text: (language) => texts.in(language).help(terms) },
      {
        audience: 'allowed',
        places: 'groups',
        text: (language, mention) => texts.in(language).helpInGroup(mention),
      },
    ],
  }

  async function take({ message: { userId, place }, file, messageId }: FileRequest): Promise<undefined> {
    await intake.receive({ userId, place, file, messageId })
  }

  /** Strangers' files are listed like others that are not taken. */
  async function refuse({ message, file }: FileRequest, { isOwnerless }: Stranger): Promise<undefined> {
    const { userId, place } = message
    const refusal = texts.in(message.language).strange(file, userId, isOwnerless)
    const fields = { user_id: userId, chat_id: place.chatId, size: file.size, reason: refusal.because }
    log.info(fields, 'file not taken')
    await refusals.add(userId, place, refusal)
  }
}

/** Returns what Telegram shows to who has pressed Retry. */
async function retry(parts: Parts, press: Press, jobId: number): Promise<string> {
  const { context, intake } = parts
  const { jobs } = context
  const say = texts.in(press.language)
  const job = await jobs.find(jobId)
  if (!job) return say.tooLongAgo
  if (!isOfFile(job) || job.userId !== press.userId) return say.notYours
  if (job.status === 'COMPLETED') return say.doneAlready
  if (!readPayload(job)) return say.forgotten
  if (job.status === 'FAILED') {
    const made = await intake.again(job)
    return made === undefined ? say.notNow : await retry(parts, press, made)
  }
  // A wait that Telegram asked for is kept.
  const queued = await jobs.hurry(jobId, { unless: rateLimited })
  if (!queued) return say.onItsWay
  const held = await heldBy(context, queued)
  return held === undefined ? say.tryingAgain : say.goesOn(held, queued.wait / 1000)
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
