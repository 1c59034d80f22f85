import { badRequest } from './api-error.ts'

/** The parameters of one call; like the real server it holds each as text, whatever the client sent. */
export class Params {
  readonly raw: Record<string, unknown>

  constructor(raw: Record<string, unknown>) {
    this.raw = raw
  }

  /** '' when absent. */
  text(name: string): string {
    const value = this.raw[name]
    if (value === undefined || value === null) return ''
    return typeof value === 'string' ? value : JSON.stringify(value)
  }

  has(name: string): boolean {
    return this.text(name) !== ''
  }

  /** Anything that is no integer counts as 0, as in the real server. */
  integer(name: string): number {
    const value = this.text(name)
    return /^-?\d{1,16}$/.test(value) ? Number(value) : 0
  }

  flag(name: string): boolean {
    const value = this.text(name).toLowerCase()
    return value === 'true' || value === 'yes' || value === '1'
  }

  /** Undefined when absent; 400 `can't parse <what>` when it is no JSON. */
  json(name: string, what: string): unknown {
    const value = this.raw[name]
    if (value === undefined || value === null || value === '') return undefined
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      throw badRequest(`can't parse ${what} JSON object`)
    }
  }
}
