import { TelegramRefusal, TelegramUnreachable } from '../../core/bot-api.ts'
import { codeOf } from '../../core/errors.ts'
import { JobCrashes, OtherBot, UnreadablePayload } from '../../jobs/index.ts'
import { SizeMismatch, TooLarge } from '../../store/index.ts'
import { ForeignPath, LargerThanAnnounced, Stalled } from '../../telegram/index.ts'
import { ChatClosed } from './status.ts'

/** Whose fault a failure is, before anyone was asked. */
export type Fault =
  /** Of the file, or of who sent it. */
  | 'file'
  /** Of the way from Telegram: of Telegram itself, or only of this file. */
  | 'telegram'
  /** Telegram sends nothing of it. */
  | 'stall'
  /** Telegram has asked this bot to wait. */
  | 'flood'
  /** No room on the disk. */
  | 'room'
  /** Of this machine, and whatever this table does not know. */
  | 'machine'

export interface Failure {
  errorType: string
  fault: Fault
  /** Whether the same may work a little later. */
  retryable: boolean
  /** Asking again by the same message cannot help. */
  final?: boolean
  /** What the user reads. */
  reason: string
  /** What the user can do about it; while it is tried again, nothing. */
  advice: string
}

/** The type of an error by which Telegram asked this bot to wait. */
export const rateLimited = 'RATE_LIMIT'

/** The disk has no room for the file any more. */
export class NoRoom extends Error {
  override name = 'NoRoom'
}

/** The file is above a quota after all: its size was not announced, or a limit was lowered meanwhile. */
export class OverQuota extends Error {
  override name = 'OverQuota'
}

const tryLater = 'Press Retry, or send the file again later.'
const transfer = 'The transfer from Telegram failed.'

interface Rule extends Failure {
  matches(error: unknown): boolean
}

/** The first row that matches an error says what it is. */
const rules: Rule[] = [
  {
    // Told when the chat is open again.
    matches: (error) => error instanceof ChatClosed,
    fault: 'file',
    errorType: 'CHAT_CLOSED',
    retryable: false,
    reason: 'This was not fetched, since the bot could not write in this chat.',
    advice: tryLater,
  },
  {
    matches: (error) => refusal(error, /file is too big/),
    fault: 'file',
    errorType: 'SIZE_LIMIT',
    retryable: false,
    final: true,
    reason: 'Telegram does not let bots fetch a file of this size here.',
    advice: 'Send a smaller one, or split it into parts.',
  },
  {
    matches: (error) => error instanceof TooLarge,
    fault: 'file',
    errorType: 'SIZE_LIMIT',
    retryable: false,
    final: true,
    reason: 'The file is larger than was announced, and above the limit.',
    advice: 'Send a smaller one.',
  },
  {
    matches: (error) => error instanceof OverQuota,
    fault: 'file',
    errorType: 'QUOTA',
    retryable: false,
    reason: 'The quota has no room left for this file.',
    advice: tryLater,
  },
  {
    matches: (error) => refusal(error, /invalid file_id|wrong file identifier/),
    fault: 'file',
    errorType: 'FILE_GONE',
    retryable: false,
    final: true,
    reason: 'Telegram no longer has this file.',
    advice: 'Send it again from its source.',
  },
  {
    matches: (error) => error instanceof ForeignPath,
    fault: 'machine',
    errorType: 'FOREIGN_PATH',
    retryable: true,
    reason: "The server's Bot API is not set up right; its owner finds the cause in the log.",
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof SizeMismatch || error instanceof LargerThanAnnounced,
    fault: 'file',
    errorType: 'SIZE_MISMATCH',
    retryable: true,
    reason: 'The file is not of the size that Telegram announced.',
    advice: tryLater,
  },
  {
    // The server removes finished files as it sees fit; asked again, it fetches the file anew.
    matches: (error) => codeOf(error) === 'ENOENT',
    fault: 'machine',
    errorType: 'FILE_VANISHED',
    retryable: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(codeOf(error) ?? ''),
    fault: 'telegram',
    errorType: 'NETWORK_ERROR',
    retryable: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof NoRoom || ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? ''),
    fault: 'room',
    errorType: 'NO_ROOM',
    retryable: true,
    reason: "The server's disk is full.",
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramRefusal && error.code === 429,
    fault: 'flood',
    errorType: rateLimited,
    retryable: true,
    reason: 'Telegram asks this bot to slow down.',
    advice: tryLater,
  },
  {
    // Any failure of the local server's own download, a hidden flood wait among them.
    matches: (error) => refusal(error, /temporarily unavailable/),
    fault: 'telegram',
    errorType: 'NETWORK_ERROR',
    retryable: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    // Only a 400 is about the file: the others are about the server, its session with Telegram, or what stands between.
    matches: (error) => error instanceof TelegramRefusal && error.code !== 400,
    fault: 'telegram',
    errorType: 'NETWORK_ERROR',
    retryable: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramRefusal,
    fault: 'telegram',
    errorType: 'HTTP_ERROR',
    retryable: false,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramUnreachable,
    fault: 'telegram',
    errorType: 'NETWORK_ERROR',
    retryable: true,
    reason: 'The connection to Telegram was lost.',
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof Stalled,
    fault: 'stall',
    errorType: 'STALLED',
    retryable: true,
    reason: 'Telegram sends nothing of this file at the moment.',
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof UnreadablePayload,
    fault: 'file',
    errorType: 'UNREADABLE',
    retryable: false,
    final: true,
    reason: 'The server has lost what it knew of this file; its owner finds the cause in the log.',
    advice: 'Send the file again.',
  },
  {
    matches: (error) => error instanceof JobCrashes,
    fault: 'file',
    errorType: 'CRASH',
    retryable: false,
    reason: 'The server failed each time it took in this file; its owner finds the cause in the log.',
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof OtherBot,
    fault: 'file',
    errorType: 'OTHER_BOT',
    retryable: false,
    reason: 'The server was switched to another bot before it fetched this file.',
    advice: tryLater,
  },
]

const unknown: Failure = {
  fault: 'machine',
  errorType: 'UNKNOWN',
  retryable: true,
  reason: 'Something went wrong on the server; its owner finds the cause in the log.',
  advice: tryLater,
}

export function classify(error: unknown): Failure {
  return rules.find((rule) => rule.matches(error)) ?? unknown
}

/** When Telegram gave others their files all the while. */
export const stalledForGood = 'Telegram has sent nothing of this file for hours.'

/** While the machine is at fault for all, and nobody has to do anything. */
export const machineProblem = {
  reason: 'The server has a problem with its disk or database.',
  advice: 'Your file goes on by itself when it is over.',
}

function refusal(error: unknown, description: RegExp): boolean {
  return error instanceof TelegramRefusal && description.test(error.description)
}
