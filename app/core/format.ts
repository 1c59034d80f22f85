const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes for people, in powers of 1000, as the units say: `1.4 GB`. */
export function bytes(count: number, digits = 1): string {
  let power = count < 1 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), units.length - 1)
  if (power > 0 && rounded(count / 1000 ** power, digits) >= 1000 && units[power + 1]) power++
  return `${power === 0 ? Math.round(count) : rounded(count / 1000 ** power, digits)} ${units[power]}`
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(value >= 100 ? digits - 1 : digits))
}

/** Two different sizes, as exactly as it takes to tell them apart. */
export function apart(one: number, other: number): [string, string] {
  for (const digits of [1, 2, 3]) {
    const texts: [string, string] = [bytes(one, digits), bytes(other, digits)]
    if (texts[0] !== texts[1]) return texts
  }
  return [exact(one), exact(other)]
}

function exact(count: number): string {
  return `${count.toLocaleString('en').replaceAll(',', ' ')} bytes`
}

/** Seconds for people: `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  const [minutes, rest] = [Math.floor(s / 60), s % 60]
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 60)} h`
}

/** A wait that nobody knows to the second: `less than a minute`, `about 4 min`, `about 1 h 10 min`. */
export function about(seconds: number): string {
  const minutes = Math.ceil(seconds / 60)
  if (minutes <= 1) return 'less than a minute'
  return `about ${duration(60 * (minutes <= 10 ? minutes : 5 * Math.ceil(minutes / 5)))}`
}

/** Made when the first is asked for, and once: it takes half a millisecond, and at the start much more. */
let formats: { day: Intl.DateTimeFormat; hour: Intl.DateTimeFormat } | undefined

/** A moment (milliseconds since 1970): `17 January 2027, 14:05 UTC`. */
export function moment(time: number): string {
  formats ??= {
    day: new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }),
    hour: new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' }),
  }
  return `${formats.day.format(time)}, ${formats.hour.format(time)} UTC`
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
