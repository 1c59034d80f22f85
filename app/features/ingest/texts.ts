import { about, apart, bytes, counted, duration, moment } from '../../core/format.ts'
import { escapeHtml } from '../../core/html.ts'
import type { Refusal } from '../../jobs/index.ts'
import { privateBot } from '../../telegram/index.ts'

interface Named {
  name: string
  size: number | undefined
}

/** In `<code>` a name stays as it is: Telegram makes a link of `README.md` elsewhere. */
function title({ name, size }: Named, shown = size === undefined ? undefined : bytes(size)): string {
  return `<code>${escapeHtml(name)}</code>${shown === undefined ? '' : ` (${shown})`}`
}

export const getItsLink = 'Reply to a file with it to get its link'

interface Terms {
  limit: number
  days: number
}

export function help({ limit, days }: Terms): string {
  const kept = days === 0 ? 'with no time limit' : `for ${days === 1 ? 'one day' : counted(days, 'day')}`
  return [
    'Send me a file – a document, video, audio, voice message or photo – and I answer with a link.',
    `Anyone who has the link can download the file, with any browser or download manager, ${kept}.`,
    `A file may be up to ${bytes(limit)}. To keep a photo in full quality, send it as a file.`,
    'In a group, reply to a file with /link: I say nothing there unless I am asked.',
  ].join('\n\n')
}

export function helpInGroup(mention: string): string {
  return (
    `Reply to a file with /link, or with ${mention}, and I make a link of it. ` +
    'Anyone who has the link can download it. Otherwise I say nothing here.'
  )
}

export const linkWithoutFile =
  'There is no file here to make a link of: reply to a message that has one with /link.'

export function received(file: Named, seconds = 0): string {
  // Also true while Telegram sends nothing of it.
  const next = seconds > 0 ? `Its turn comes in ${about(seconds)}.` : 'The link comes here.'
  return `${title(file)}\nReceived. ${next}`
}

export function progress(
  file: Named,
  { received, speed }: { received: number; speed: number | undefined },
): string {
  const rate = speed === undefined || speed <= 0 ? '' : ` · ${bytes(speed)}/s`
  if (file.size === undefined || file.size === 0) return `${title(file)}\n${bytes(received)}${rate}`
  const share = Math.min(1, received / file.size)
  const filled = Math.round(share * 12)
  const bar = '▓'.repeat(filled) + '░'.repeat(12 - filled)
  const left = rate ? ` · ${duration((file.size - received) / (speed as number))} left` : ''
  return `${title(file)}\n${bar} ${Math.floor(share * 100)} % · ${bytes(received)}${rate}${left}`
}

export function done(file: Named, url: string, expiresAt: number | null): string {
  const until = expiresAt === null ? 'with no time limit' : `until ${moment(expiresAt)}`
  return `${title(file)}\n${escapeHtml(url)}\nAnyone with the link can download it, ${until}.`
}

/** Why a file is not taken, as clauses for one sentence. */
export interface NotTaken {
  file: string
  because: string
  /** What the sender can do. */
  advice: string
}

export function strange(file: Named, userId: number, isOwnerless: boolean): NotTaken {
  const [because, advice] = privateBot(userId, isOwnerless)
  return { file: title(file), because, advice }
}

export function tooLarge(file: Named & { size: number }, limit: number): NotTaken {
  const [size, most] = apart(file.size, limit)
  const advice = 'Send a smaller file, or split it into parts.'
  return { file: title(file, size), because: `the limit is ${most}`, advice }
}

export function noRoom(file: Named, free: number): NotTaken {
  const [size, left] = apart(file.size ?? 0, free)
  return {
    file: title(file, size),
    because: free > 0 ? `the server has room for ${left} more` : 'the server has no room left for it',
    advice: 'Send a smaller file, or try again later, when older files have gone.',
  }
}

export function overQuota(file: Named, limit: 'user' | 'store', left: number): NotTaken {
  const [size, rest] = apart(file.size ?? 0, Math.max(0, left))
  return {
    file: title(file, size),
    because: `${limit === 'user' ? 'your' : "this bot's"} quota ${left > 0 ? `has ${rest} left` : 'is used up'}`,
    advice: 'Send a smaller file, or try again when older links have ended.',
  }
}

export function jobRefused(file: Named, refusal: Refusal): NotTaken {
  const clauses = {
    maintenance: () => [
      'this bot is under maintenance and takes no new files for the moment',
      'Please try again later.',
    ],
    queue: () => ['there is too much to do just now', 'Please try again in a few minutes.'],
    active: (most: number) => [
      `${counted(most, 'file')} of yours ${most === 1 ? 'waits' : 'wait'} already`,
      'Please try again when fewer wait.',
    ],
  }
  const [because = '', advice = ''] = clauses[refusal.limit]('most' in refusal ? refusal.most : 0)
  return { file: title(file), because, advice }
}

export function notTaken({ file, because, advice }: NotTaken): string {
  return `${file} was not taken: ${because}. ${advice}`
}

/** Several that were not taken one after another: which, why, and what can be done about them. */
export function severalNotTaken(files: NotTaken[]): string {
  const lines = files.map(({ file, because }) => `• ${file}: ${because}`)
  const advice = new Set(files.map(({ advice }) => advice))
  return [`${files.length} files were not taken:`, ...lines, [...advice].join(' ')].join('\n')
}

/** How many files may begin: of one person in a minute and in an hour, or of all in a chat in an hour. */
export type Limits = { minute: number; hour: number } | { chat: number }

function pace(limits: Limits): string {
  if ('chat' in limits) return `${counted(limits.chat, 'file')} an hour from this chat`
  return `${counted(limits.minute, 'file')} a minute and ${limits.hour} an hour from one person`
}

/** Files that begin later than they came, because of the limits. */
export function waiting(count: number, limits: Limits, seconds: number): string {
  const wait = `${counted(count, 'file')} ${count === 1 ? 'waits for its' : 'wait for their'} turn.`
  const last = count === 1 ? 'It' : 'The last one'
  const next = count === 1 ? 'It comes next.' : 'They come next, one by one.'
  const end = seconds > 0 ? `${last} has its turn in ${about(seconds)}.` : next
  return `<b>${wait}</b>\nI take ${pace(limits)}; each gets its link here. ${end}`
}

export function noneWaits(count: number): string {
  return count === 1
    ? 'The file that had to wait has had its turn.'
    : `All ${count} files that had to wait have had their turn.`
}

export function waitingForRoom(file: Named): string {
  return `${title(file)}\nThe server's disk is full. Your file waits and goes on by itself when there is room.`
}

/** What keeps a file in the queue, although someone has asked to go on with it. */
export type Hold = 'turn' | 'flood' | 'telegram' | 'machine' | 'room'

/** @param seconds until its turn comes, or the end of what Telegram asked for */
export function goesOn(hold: Hold, seconds: number): string {
  const texts = {
    turn: `Your file waits for its turn, which comes in ${about(seconds)}.`,
    flood: `Telegram asks this bot to slow down. Your file goes on by itself in ${about(seconds)}.`,
    telegram: 'Your file goes on by itself as soon as Telegram lets it.',
    machine: 'The server has a problem. Your file goes on by itself when it is over.',
    room: "The server's disk is full. Your file goes on by itself when there is room.",
  }
  return texts[hold]
}

export function retrying(file: Named, reason: string, seconds: number): string {
  return `${title(file)}\n${reason} The next try is in ${duration(seconds)}.`
}

export const unreadable =
  'The server has lost what it knew of a file that you sent; its owner finds the cause in the log. Send the file again.'

export function failed(file: Named, reason: string, advice: string): string {
  return `${title(file)}\n${reason} ${advice}`
}

export const tooLongAgo = 'That was too long ago. Send the file again.'

export const notYours = 'Only the person who asked for the link can do that.'

export const doneAlready = 'It is done already.'

export const forgotten = 'The server has lost what it knew of this file. Send it again.'

export const notNow = 'Not now: the chat says why.'

export const onItsWay = 'Your file is on its way already.'

export const tryingAgain = 'Trying again.'
