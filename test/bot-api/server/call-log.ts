export type Call = {
  at: number
  bot_id: number
  method: string
  params: Record<string, unknown>
  /** 0 while there is no answer, or when the socket was closed without one. */
  status: number
  duration_ms: number
}

const KEPT = 100_000

/** The calls that came in, without their tokens. */
export class CallLog {
  readonly #calls: Call[] = []

  begin(botId: number, token: string, method: string, params: Record<string, unknown>): Call {
    const clean = JSON.parse(JSON.stringify(params).replaceAll(token, '<token>'))
    const call = { at: Date.now(), bot_id: botId, method, params: clean, status: 0, duration_ms: 0 }
    this.#calls.push(call)
    if (this.#calls.length > KEPT) this.#calls.splice(0, KEPT / 10)
    return call
  }

  find(method: string | undefined, since: number): Call[] {
    const wanted = method?.toLowerCase()
    return this.#calls.filter((call) => call.at >= since && (!wanted || call.method.toLowerCase() === wanted))
  }
}
