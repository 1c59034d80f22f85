export type FaultRule = {
  /** A Bot API method, '*' for all, or 'download' for a transfer between two parts. */
  method: string
  chat_id?: number
  /** How many calls it meets; -1 = for ever. */
  count?: number
  probability?: number
  error?: { error_code: number; description: string; retry_after?: number; migrate_to_chat_id?: number }
  hang?: true
  cut?: true
  /** With `cut`, `hang`, `error` or `body`: the call is carried out first, only its answer is lost. */
  after?: true
  missing_path?: true
  wrong_path?: string
  body?: string
  status?: number
  delay_ms?: number
  /** For 'download': only once this many bytes have come. */
  after_bytes?: number
}

/** The failures that a test has asked for; they live as long as the process. */
export class Faults {
  readonly #rules = new Map<number, FaultRule & { left: number }>()
  #lastId = 0

  add(rule: FaultRule): number {
    this.#rules.set(++this.#lastId, { ...rule, left: rule.count ?? 1 })
    return this.#lastId
  }

  clear(): void {
    this.#rules.clear()
  }

  /** The oldest rule that fits, used up by one. */
  take(method: string, fits: { chatId?: number | undefined; received?: number }): FaultRule | undefined {
    for (const [id, rule] of this.#rules) {
      const wanted = rule.method.toLowerCase()
      if (wanted !== method.toLowerCase() && (wanted !== '*' || method === 'download')) continue
      if (rule.chat_id !== undefined && rule.chat_id !== fits.chatId) continue
      if ((rule.after_bytes ?? 0) > (fits.received ?? 0)) continue
      if (Math.random() >= (rule.probability ?? 1)) continue
      rule.left--
      if (rule.left === 0) this.#rules.delete(id)
      return rule
    }
    return undefined
  }
}
