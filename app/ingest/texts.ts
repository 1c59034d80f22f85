import type { Refusal } from '../jobs/index.ts'
import { escapeHtml } from '../telegram/index.ts'

const units = ['B', 'KB', 'MB', 'GB', 'TB']

/** Bytes for people, in powers of 1024: `1.4 GB`. */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1)
  const value = count / 1024 ** power
  const rounded = power === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))
  return rounded === 1024 && units[power + 1] ? `1 ${units[power + 1]}` : `${rounded} ${units[power]}`
}

/** Seconds for people: `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  const [minutes, rest] = [Math.floor(s / 60), s % 60]
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 60)} h`
}

function date(time: number): string {
  const format = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' })
  return format.format(time)
}

interface Named {
  name: string
  size: number | undefined
}

function title({ name, size }: Named): string {
  return `<b>${escapeHtml(name)}</b>${size === undefined ? '' : ` (${bytes(size)})`}`
}

export function help({ limit, days }: { limit: number; days: number }): string {
  const kept = days === 0 ? 'for as long as you like' : days === 1 ? 'for one day' : `for ${days} days`
  return [
    'Send me a file – a document, video, audio, voice message or photo – and I answer with a link.',
    `Anyone who has the link can download the file, with any browser or download manager, ${kept}.`,
    `A file may be up to ${bytes(limit)}. To keep a photo in full quality, send it as a file.`,
  ].join('\n\n')
}

export const notAFile =
  'That is not a file: send me a document, video, audio or photo, and I answer with a link. /help'

export function notAllowed(userId: number): string {
  return `This bot is private. To use it, ask its owner to allow your id: <code>${userId}</code>`
}

export function received(file: Named): string {
  return `${title(file)}\nReceived, waiting for its turn.`
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
  const until = expiresAt === null ? 'kept without end' : `until ${date(expiresAt)} (UTC)`
  return `${title(file)}\n${escapeHtml(url)}\nAnyone with the link can download it, ${until}.`
}

export function tooLarge(file: Named, limit: number): string {
  return `${title(file)} is too large: the limit is ${bytes(limit)}. Send a smaller file, or split it into parts.`
}

export function noRoom(file: Named, free: number): string {
  return (
    `${title(file)} does not fit: the server has room for ${bytes(free)} more. ` +
    'Send a smaller file, or try again later, when older files have gone.'
  )
}

export function tooMany(limit: number, seconds: number): string {
  return `You can send ${limit} files a minute. This one was not taken: send it again in ${duration(seconds)}.`
}

export function overQuota(file: Named, limit: 'user' | 'store', left: number): string {
  const whose = limit === 'user' ? 'you may keep' : 'this bot may keep'
  return (
    `${title(file)} does not fit: of what ${whose}, ${bytes(Math.max(0, left))} are left. ` +
    'Send a smaller file, or try again when older links have ended.'
  )
}

export function jobRefused(refusal: Refusal): string {
  switch (refusal.limit) {
    case 'maintenance':
      return 'This bot is under maintenance and takes no new files for the moment. Please try again later.'
    case 'queue':
      return 'There is too much to do just now, and this file was not taken. Please try again in a few minutes.'
    case 'active':
      return `${refusal.most} files of yours are waiting already. Send this one again when some of them are done.`
    case 'hour':
      return (
        `No more than ${refusal.most} files an hour are taken. ` +
        `This one was not: send it again in ${duration(refusal.freeInSeconds)}.`
      )
  }
}

export function waitingForRoom(file: Named): string {
  return `${title(file)}\nThe server's disk is full. Your file waits and goes on by itself when there is room.`
}

export function retrying(file: Named, reason: string, seconds: number): string {
  return `${title(file)}\n${reason} The next try is in ${duration(seconds)}.`
}

export function failed(file: Named, reason: string): string {
  return `${title(file)}\n${reason}`
}
