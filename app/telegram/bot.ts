import { Context, Telegraf, Telegram } from 'telegraf'
import type { Update, UserFromGetMe } from 'telegraf/types'
import type { TelegramApi } from './api.ts'

/** Router and context of Telegraf, with every call made by `api`. */
export function createBot(api: TelegramApi, me: UserFromGetMe): Telegraf {
  class OwnTransport extends Telegram {
    override callApi(...[method, payload]: Parameters<Telegram['callApi']>): Promise<never> {
      return api.call<never>(method, payload)
    }
  }
  const transport = new OwnTransport('')
  // Telegraf makes each update a client of its own class; the context takes ours instead.
  class OwnContext extends Context {
    constructor(update: Update, _telegram: Telegram, info: UserFromGetMe) {
      super(update, transport, info)
    }
  }
  const bot = new Telegraf('', { contextType: OwnContext, handlerTimeout: Number.POSITIVE_INFINITY })
  bot.botInfo = me
  // Telegraf's own handling would end the process; the caller of handleUpdate decides.
  bot.catch((error) => {
    throw error
  })
  return bot
}
