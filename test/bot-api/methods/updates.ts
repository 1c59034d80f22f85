import { ApiError, badRequest } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import type { Params } from '../server/params.ts'

const ENCRYPTED_PORTS = ['', '80', '88', '443', '8443']

export function getUpdates(bot: Bot, params: Params): Promise<object[]> {
  if (bot.webhook.hook) {
    const cure = 'use deleteWebhook to delete the webhook first'
    throw new ApiError(409, `Conflict: can't use getUpdates method while webhook is active; ${cure}`)
  }
  bot.allowedUpdates = readAllowedUpdates(params) ?? bot.allowedUpdates
  bot.hearNews()
  return bot.longPoll.ask(params.integer('offset'), params.integer('limit'), params.integer('timeout'))
}

export function setWebhook(bot: Bot, params: Params): boolean {
  const { queue, options } = bot.server
  const url = params.text('url')
  if (url === '') return deleteWebhook(bot, params)
  checkWebhookUrl(url, options.isLocal)
  const secret_token = params.text('secret_token')
  if (!/^[A-Za-z0-9_-]{0,256}$/.test(secret_token)) {
    const reason = secret_token.length > 256 ? 'is too long' : 'contains unallowed characters'
    throw badRequest(`secret token ${reason}`)
  }
  bot.allowedUpdates = readAllowedUpdates(params) ?? bot.allowedUpdates
  if (params.flag('drop_pending_updates')) queue.clear(bot.id)
  const limit = options.maxWebhookConnections
  const asked = params.integer('max_connections')
  const max_connections = asked < 1 ? limit : Math.min(asked, limit)
  const allowed_updates = JSON.stringify(bot.allowedUpdates)
  const hook = { bot_id: bot.id, token: bot.token, url, secret_token, max_connections, allowed_updates }
  bot.longPoll.conflict('terminated by setWebhook request')
  queue.setWebhook(hook)
  bot.webhook.start(hook)
  return true
}

export function deleteWebhook(bot: Bot, params: Params): boolean {
  bot.webhook.stop()
  bot.server.queue.deleteWebhook(bot.id)
  if (params.flag('drop_pending_updates')) bot.server.queue.clear(bot.id)
  return true
}

export function getWebhookInfo(bot: Bot): object {
  const { hook, lastError } = bot.webhook
  return {
    url: hook?.url ?? '',
    has_custom_certificate: false,
    pending_update_count: bot.server.queue.count(bot.id),
    max_connections: hook?.max_connections,
    last_error_date: hook && lastError && Math.floor(lastError.at / 1000),
    last_error_message: hook && lastError?.text,
    allowed_updates: bot.allowedUpdates.length > 0 ? bot.allowedUpdates : undefined,
  }
}

/** Names it does not know do no harm, as in the real server; undefined = as before. */
function readAllowedUpdates(params: Params): string[] | undefined {
  const names = params.json('allowed_updates', 'allowed updates')
  if (names === undefined) return undefined
  if (!Array.isArray(names)) throw badRequest("can't parse allowed updates: expected an Array of String")
  return names.map(String)
}

function checkWebhookUrl(text: string, isLocal: boolean): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw badWebhook('invalid webhook URL specified')
  if (isLocal) return
  if (url.protocol !== 'https:') throw badWebhook('An HTTPS URL must be provided for webhook')
  if (!ENCRYPTED_PORTS.includes(url.port))
    throw badWebhook('Webhook can be set up only on ports 80, 88, 443 or 8443')
}

function badWebhook(reason: string) {
  return badRequest(`bad webhook: ${reason}`)
}
