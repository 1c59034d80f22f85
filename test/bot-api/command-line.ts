import { parseArgs } from 'node:util'

export type Options = {
  isLocal: boolean
  httpPort: number
  httpIp: string
  controlPort: number
  statPort: number
  statIp: string
  dir: string
  cloudDir: string | undefined
  /** Only bots whose id has this remainder are served. */
  filter: { remainder: number; modulo: number } | undefined
  maxWebhookConnections: number
  verbosity: number
  logPath: string | undefined
  username: string | undefined
  groupname: string | undefined
}

/** A command line that the server cannot start with. */
export class CommandLineError extends Error {}

export const VERSION = 'Bot API 10.3'

const FLAGS = {
  'api-id': { type: 'string' },
  'api-hash': { type: 'string' },
  local: { type: 'boolean' },
  'http-port': { type: 'string', short: 'p' },
  'http-stat-port': { type: 'string', short: 's' },
  'http-ip-address': { type: 'string' },
  'http-stat-ip-address': { type: 'string' },
  dir: { type: 'string', short: 'd' },
  'temp-dir': { type: 'string', short: 't' },
  filter: { type: 'string' },
  'max-webhook-connections': { type: 'string' },
  'max-connections': { type: 'string', short: 'c' },
  verbosity: { type: 'string', short: 'v' },
  'memory-verbosity': { type: 'string' },
  log: { type: 'string', short: 'l' },
  'log-max-file-size': { type: 'string' },
  username: { type: 'string', short: 'u' },
  groupname: { type: 'string', short: 'g' },
  proxy: { type: 'string' },
  'cpu-affinity': { type: 'string' },
  'main-thread-affinity': { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

export function usage(): string {
  const lines = Object.entries(FLAGS).map(([name, flag]) => {
    const short = 'short' in flag ? `-${flag.short}, ` : '    '
    return `  ${short}--${name}${flag.type === 'string' ? '=<arg>' : ''}`
  })
  return [`Usage: telegram-bot-api --api-id=<arg> --api-hash=<arg> [--local] [OPTION]...`, ...lines].join(
    '\n',
  )
}

/**
 * Reads the real server's flags, and from the environment TELEGRAM_API_ID, TELEGRAM_API_HASH,
 * TELEGRAM_CONTROL_PORT and TELEGRAM_CLOUD_DIR. Throws CommandLineError.
 */
export function readCommandLine(args: string[], env: NodeJS.ProcessEnv): Options | 'version' | 'help' {
  const values = parse(args)
  if (values.help) return 'help'
  if (values.version) return 'version'
  const apiId = values['api-id'] ?? env.TELEGRAM_API_ID ?? ''
  const apiHash = values['api-hash'] ?? env.TELEGRAM_API_HASH ?? ''
  if (!(number('api-id', apiId || '0', 2 ** 31) > 0) || apiHash === '') {
    const text = 'You must provide valid api-id and api-hash obtained at https://my.telegram.org'
    throw new CommandLineError(`${text}\n${usage()}`)
  }
  const httpPort = number('http-port', values['http-port'] ?? '8081', 65535)
  for (const name of ['max-connections', 'memory-verbosity', 'log-max-file-size'] as const) {
    number(name, values[name] ?? '0', Number.MAX_SAFE_INTEGER)
  }
  const isLocal = values.local ?? false
  const connections = values['max-webhook-connections'] ?? (isLocal ? '100' : '40')
  return {
    isLocal,
    httpPort,
    httpIp: values['http-ip-address'] ?? '0.0.0.0',
    controlPort: number('TELEGRAM_CONTROL_PORT', env.TELEGRAM_CONTROL_PORT ?? String(httpPort + 1), 65535),
    statPort: number('http-stat-port', values['http-stat-port'] ?? '0', 65535),
    statIp: values['http-stat-ip-address'] ?? '0.0.0.0',
    dir: values.dir ?? './',
    cloudDir: env.TELEGRAM_CLOUD_DIR,
    filter: values.filter === undefined ? undefined : parseFilter(values.filter),
    maxWebhookConnections: number('max-webhook-connections', connections, 100_000),
    verbosity: number('verbosity', values.verbosity ?? '0', 1024),
    logPath: values.log,
    username: values.username,
    groupname: values.groupname,
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new CommandLineError(`telegram-bot-api: ${(error as Error).message}\n${usage()}`)
  }
}

function number(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new CommandLineError(`telegram-bot-api: wrong value of ${name}: "${text}"`)
  return value
}

function parseFilter(text: string): { remainder: number; modulo: number } {
  const [remainder = '', modulo = '', ...rest] = text.split('/')
  const isRight = /^\d+$/.test(remainder) && /^\d+$/.test(modulo) && rest.length === 0
  if (!isRight || Number(remainder) >= Number(modulo)) {
    throw new CommandLineError('telegram-bot-api: wrong value of filter: expected "<remainder>/<modulo>"')
  }
  return { remainder: Number(remainder), modulo: Number(modulo) }
}
