import { codeOf } from '../core/errors.ts'
import { SizeMismatch, TooLarge } from '../store/index.ts'
import { ForeignPath, TelegramRefusal, TelegramUnreachable } from '../telegram/index.ts'
import { ChatClosed } from './status.ts'

export interface Failure {
  errorType: string
  /** Whether the same may work a little later. */
  passing: boolean
  /** Asking again by the same message cannot help. */
  final?: boolean
  /** What the user reads. */
  reason: string
  /** What the user can do about it; while it is tried again, nothing. */
  advice: string
}

/** The disk has no room for the file any more. */
export class NoRoom extends Error {
  override name = 'NoRoom'
}

/** The file, whose size nobody announced, is above a quota. */
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
    errorType: 'CHAT_CLOSED',
    passing: false,
    reason: 'This was not fetched, since the bot could not write in this chat.',
    advice: tryLater,
  },
  {
    matches: (error) => refusal(error, /file is too big/),
    errorType: 'SIZE_LIMIT',
    passing: false,
    final: true,
    reason: 'Telegram does not let bots fetch a file of this size here.',
    advice: 'Send a smaller one, or split it into parts.',
  },
  {
    matches: (error) => error instanceof TooLarge,
    errorType: 'SIZE_LIMIT',
    passing: false,
    final: true,
    reason: 'The file is larger than was announced, and above the limit.',
    advice: 'Send a smaller one.',
  },
  {
    matches: (error) => error instanceof OverQuota,
    errorType: 'QUOTA',
    passing: false,
    reason: 'The file does not fit into what may still be kept.',
    advice: tryLater,
  },
  {
    matches: (error) => refusal(error, /invalid file_id|wrong file identifier/),
    errorType: 'FILE_GONE',
    passing: false,
    final: true,
    reason: 'Telegram no longer has this file.',
    advice: 'Send it again from its source.',
  },
  {
    matches: (error) => error instanceof ForeignPath,
    errorType: 'FOREIGN_PATH',
    passing: false,
    reason: "The server's Bot API is not set up right; its owner finds the cause in the log.",
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof SizeMismatch,
    errorType: 'SIZE_MISMATCH',
    passing: true,
    reason: 'The file did not arrive whole.',
    advice: tryLater,
  },
  {
    // The server removes finished files as it sees fit; asked again, it fetches the file anew.
    matches: (error) => codeOf(error) === 'ENOENT',
    errorType: 'FILE_VANISHED',
    passing: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(codeOf(error) ?? ''),
    errorType: 'NETWORK_ERROR',
    passing: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof NoRoom || ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? ''),
    errorType: 'NO_ROOM',
    passing: true,
    reason: "The server's disk is full.",
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramRefusal && error.code === 429,
    errorType: 'RATE_LIMIT',
    passing: true,
    reason: 'Telegram asks this bot to slow down.',
    advice: tryLater,
  },
  {
    // Any failure of the local server's own download, a hidden flood wait among them.
    matches: (error) => refusal(error, /temporarily unavailable/),
    errorType: 'NETWORK_ERROR',
    passing: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramRefusal && (error.code >= 500 || error.code <= 200),
    errorType: 'NETWORK_ERROR',
    passing: true,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramRefusal,
    errorType: 'HTTP_ERROR',
    passing: false,
    reason: transfer,
    advice: tryLater,
  },
  {
    matches: (error) => error instanceof TelegramUnreachable,
    errorType: 'NETWORK_ERROR',
    passing: true,
    reason: 'The connection to Telegram was lost.',
    advice: tryLater,
  },
]

const unknown: Failure = {
  errorType: 'UNKNOWN',
  passing: false,
  reason: 'Something went wrong on the server; its owner finds the cause in the log.',
  advice: tryLater,
}

export function classify(error: unknown): Failure {
  return rules.find((rule) => rule.matches(error)) ?? unknown
}

function refusal(error: unknown, description: RegExp): boolean {
  return error instanceof TelegramRefusal && description.test(error.description)
}
