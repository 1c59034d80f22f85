import type { Log } from '../core/log.ts'
import type { TelegramApi } from './api.ts'

/** Answers on their way at the same time: of a server that is silent they must not take all connections. */
const maxInFlight = 8

/** Milliseconds for one; Telegram takes it at once, or too late. */
const timeout = 15_000

/** CallbackAnswers in memory; whoever presses on and on has the oldest forgotten. */
const maxWaiting = 1000

/** Answers to presses of buttons, which Telegram shows for a moment. */
export class CallbackAnswers {
  readonly #api: TelegramApi
  readonly #log: Log
  readonly #waiting: { callback_query_id: string; text: string }[] = []
  #inFlight = 0

  constructor(api: TelegramApi, log: Log) {
    this.#api = api
    this.#log = log
  }

  answer(callbackQueryId: string, text: string): void {
    this.#waiting.push({ callback_query_id: callbackQueryId, text })
    if (this.#waiting.length > maxWaiting) this.#waiting.shift()
    this.#next()
  }

  #next(): void {
    if (this.#inFlight >= maxInFlight) return
    const answer = this.#waiting.shift()
    if (!answer) return
    this.#inFlight++
    this.#api
      .call('answerCallbackQuery', answer, { timeout })
      .catch((error) => this.#log.debug({ error }, 'press of a button not answered'))
      .finally(() => {
        this.#inFlight--
        this.#next()
      })
  }
}
