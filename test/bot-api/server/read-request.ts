import type { IncomingMessage } from 'node:http'
import { ApiError, badRequest } from './api-error.ts'
import { Params } from './params.ts'

const MAX_PARAMETER_BYTES = 1 << 20

/** The whole body. Throws 413 above `maxBytes`. */
export async function readBody(request: IncomingMessage, maxBytes = MAX_PARAMETER_BYTES): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) throw new ApiError(413, 'Request Entity Too Large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Parameters from the query string and from a JSON or form body. */
export async function readParams(request: IncomingMessage, query: URLSearchParams): Promise<Params> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type === 'multipart/form-data') {
    throw badRequest('the stand-in takes no multipart bodies; send a file_id or a file:// URI')
  }
  const body = await readBody(request)
  const fromQuery = Object.fromEntries(query)
  if (type === 'application/json') return new Params({ ...fromQuery, ...parseObject(body) })
  return new Params({ ...fromQuery, ...Object.fromEntries(new URLSearchParams(body)) })
}

function parseObject(body: string): Record<string, unknown> {
  if (body.trim() === '') return {}
  try {
    const value = JSON.parse(body)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Refused below, like JSON that is no object.
  }
  throw badRequest("can't parse JSON object")
}
