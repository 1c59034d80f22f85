import { format } from 'node:util'
import { pino } from 'pino'

export type Log = pino.Logger

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

// The local Bot API server's paths and every API address hold the token, so it may stand in the middle of any
// string of a line: a message, a stack, a system error's path. No \b in front: in `bot123:…` there is none. Also of one
// that was cut; but not of a worker's id, which ends with the 32 digits of a boot id.
const token = /(?<!\d)\d{5,16}(?::|%3A|~)(?![0-9a-f]{32}(?![\w-]))[\w-]{20,}/gi

/** `text` with every bot token in it replaced. */
export function scrub(text: string): string {
  return text.replace(token, '[token]')
}

// sd-daemon(3): a line that starts with <N> gets that syslog priority in the journal.
const priorities: Record<string, string> = {
  trace: '<7>',
  debug: '<7>',
  info: '<6>',
  warn: '<4>',
  error: '<3>',
  fatal: '<2>',
}

/**
 * One JSON object a line on standard output, without tokens and `secrets`, written before the call returns, so that a
 * crash loses none. `journal` puts the syslog priority in front, as systemd's journal reads it.
 *
 * @param secrets of characters that JSON leaves as they are
 */
export function createLog(
  level: LogLevel,
  { journal = false, secrets = [] }: { journal?: boolean; secrets?: string[] } = {},
): Log {
  const out = pino.destination({ fd: 1, sync: true })
  return pino(
    {
      level,
      base: null,
      timestamp: journal ? false : pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      serializers: { error: errorFields },
      errorKey: 'error',
    },
    {
      write(line: string) {
        const clean = secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), scrub(line))
        if (!journal) return out.write(clean)
        const label = /^\{"level":"(\w+)"/.exec(clean)?.[1] ?? 'info'
        return out.write(`${priorities[label]}${clean}`)
      },
    },
  )
}

const methods = {
  debug: 'debug',
  log: 'info',
  info: 'info',
  warn: 'warn',
  error: 'error',
  trace: 'warn',
} as const

/**
 * Sends to `log` what libraries and Node itself would write to standard output and standard error, where it would go
 * around the scrub and be no JSON. The last call counts.
 */
export function takeOverConsole(log: Log): void {
  for (const [method, level] of Object.entries(methods) as [keyof typeof methods, LogLevel][]) {
    console[method] = (...words: unknown[]) => log[level]({ source: 'console' }, format(...words))
  }
  // Node's own listener is the one that prints.
  process.removeAllListeners('warning')
  process.on('warning', (error) => log.warn({ source: 'node', error }, 'Node warns'))
}

interface ErrorFields {
  name: string
  message: string
  code?: unknown
  stack?: string
  cause?: ErrorFields
}

function errorFields(error: unknown): ErrorFields {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) }
  return {
    name: error.name,
    message: error.message,
    ...('code' in error && { code: error.code }),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause !== undefined && { cause: errorFields(error.cause) }),
  }
}
