import { ApiError, badRequest, tooManyRequests } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'
import { renderBot } from '../server/render.ts'

/** `close` is refused for this long after a bot's start, but for bots that started with the server. */
const CLOSE_GUARD_MS = 600_000

export function getMe(bot: Bot): object {
  return {
    ...renderBot(bot.id),
    can_join_groups: true,
    can_read_all_group_messages: !bot.server.cloud.bot(bot.id).hasPrivacy,
    supports_inline_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
  }
}

/** Ends the session: the bot's folder and its pending updates go. The answer is the last one that is ok. */
export function logOut(bot: Bot): true {
  afterAnswer(() => bot.logOut(() => new ApiError(400, 'Logged out')))
  return true
}

/** Lets the bot be moved to another server: everything stays on the disk. */
export function close(bot: Bot): true {
  const age = Date.now() - bot.startedAt
  const isFromStart = bot.startedAt - bot.server.startedAt < CLOSE_GUARD_MS
  if (age < CLOSE_GUARD_MS && !isFromStart) throw tooManyRequests(Math.ceil((CLOSE_GUARD_MS - age) / 1000))
  afterAnswer(() => bot.close(() => badRequest('the bot has already been closed')))
  return true
}

/** The answer to this very call must not meet the error that closes the bot. */
function afterAnswer(work: () => Promise<void>): void {
  setImmediate(() => void work())
}

type Command = { command: string; description: string }

export function setMyCommands(bot: Bot, params: Params): true {
  const commands = params.json('commands', 'commands')
  if (!Array.isArray(commands)) throw badRequest('expected an Array of BotCommand')
  if (commands.length > 100) throw badRequest('BOT_COMMANDS_TOO_MUCH')
  saveProfile(bot, commandsKey(params), commands.map(readCommand))
  return true
}

export function getMyCommands(bot: Bot, params: Params): unknown {
  return bot.server.cloud.bot(bot.id).profile.get(commandsKey(params)) ?? []
}

export function deleteMyCommands(bot: Bot, params: Params): true {
  saveProfile(bot, commandsKey(params), [])
  return true
}

export function setMyDescription(bot: Bot, params: Params): true {
  return setProfileText(bot, params, 'description', 512)
}

export function setMyShortDescription(bot: Bot, params: Params): true {
  return setProfileText(bot, params, 'short_description', 120)
}

export function setMyName(bot: Bot, params: Params): true {
  return setProfileText(bot, params, 'name', 64)
}

export function getMyDescription(bot: Bot, params: Params): object {
  return { description: profileText(bot, params, 'description') }
}

export function getMyShortDescription(bot: Bot, params: Params): object {
  return { short_description: profileText(bot, params, 'short_description') }
}

export function getMyName(bot: Bot, params: Params): object {
  return { name: profileText(bot, params, 'name') || String(renderBot(bot.id).first_name) }
}

function readCommand(given: unknown): Command {
  const { command, description } = (given ?? {}) as Partial<Command>
  if (typeof command !== 'string') throw badRequest('can\'t parse BotCommand: Can\'t find field "command"')
  if (typeof description !== 'string')
    throw badRequest('can\'t parse BotCommand: Can\'t find field "description"')
  const name = command.replace(/^\//, '')
  if (!/^[a-z0-9_]{1,32}$/.test(name)) throw badRequest('BOT_COMMAND_INVALID')
  if (description.length < 1 || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
  return { command: name, description }
}

/** Commands are kept apart by scope (a type and the ids it names) and by language. */
function commandsKey(params: Params): string {
  const given = params.json('scope', 'bot command scope') as Record<string, unknown> | undefined
  const type = String(given?.type ?? 'default')
  if (!SCOPES.includes(type)) throw badRequest('unsupported type of bot command scope')
  if (type.startsWith('chat') && given?.chat_id === undefined) throw badRequest('chat_id is empty')
  return ['commands', type, given?.chat_id ?? '', given?.user_id ?? '', language(params)].join(' ')
}

const SCOPES = [
  'default',
  'all_private_chats',
  'all_group_chats',
  'all_chat_administrators',
  'chat',
  'chat_administrators',
  'chat_member',
]

function setProfileText(bot: Bot, params: Params, name: string, limit: number): true {
  const text = params.text(name)
  if (text.length > limit) throw badRequest(`${name.toUpperCase()}_INVALID`)
  saveProfile(bot, `${name} ${language(params)}`, text)
  return true
}

function profileText(bot: Bot, params: Params, name: string): string {
  return String(bot.server.cloud.bot(bot.id).profile.get(`${name} ${language(params)}`) ?? '')
}

function language(params: Params): string {
  const code = params.text('language_code')
  if (code !== '' && !/^[a-z]{2}$/.test(code)) throw badRequest('invalid language code specified')
  return code
}

function saveProfile(bot: Bot, name: string, value: unknown): void {
  bot.server.cloud.write({ t: 'profile', bot_id: bot.id, name, value })
}
