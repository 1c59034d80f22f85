/** What a refusal says besides its text: seconds to wait, or the id that a group has now. */
export type ErrorParameters = { retry_after?: number; migrate_to_chat_id?: number }

/** A refusal in the Bot API's own form. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: number
  readonly parameters: ErrorParameters

  constructor(code: number, description: string, parameters: ErrorParameters = {}) {
    super(description)
    this.code = code
    this.parameters = parameters
  }
}

export function badRequest(reason: string): ApiError {
  return new ApiError(400, `Bad Request: ${reason}`)
}

export function forbidden(reason: string): ApiError {
  return new ApiError(403, `Forbidden: ${reason}`)
}

export function tooManyRequests(retryAfter: number): ApiError {
  return new ApiError(429, `Too Many Requests: retry after ${retryAfter}`, { retry_after: retryAfter })
}

/** What every waiting call gets when the server stops. */
export function restarting(): ApiError {
  return new ApiError(500, 'Internal Server Error: restart')
}

/** The one text behind which the server hides every failed transfer, Telegram's 429 and 5xx included. */
export function transferFailed(): ApiError {
  return badRequest('wrong file_id or the file is temporarily unavailable')
}
