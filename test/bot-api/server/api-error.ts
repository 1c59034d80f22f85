/** A refusal in the Bot API's own form; `retryAfter` in seconds. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: number
  readonly retryAfter: number | undefined

  constructor(code: number, description: string, retryAfter?: number) {
    super(description)
    this.code = code
    this.retryAfter = retryAfter
  }
}

export function badRequest(reason: string): ApiError {
  return new ApiError(400, `Bad Request: ${reason}`)
}

export function forbidden(reason: string): ApiError {
  return new ApiError(403, `Forbidden: ${reason}`)
}

export function tooManyRequests(retryAfter: number): ApiError {
  return new ApiError(429, `Too Many Requests: retry after ${retryAfter}`, retryAfter)
}

/** What every waiting call gets when the server stops. */
export function restarting(): ApiError {
  return new ApiError(500, 'Internal Server Error: restart')
}

/** The one text behind which the server hides every failed transfer, Telegram's 429 and 5xx included. */
export function transferFailed(): ApiError {
  return badRequest('wrong file_id or the file is temporarily unavailable')
}
