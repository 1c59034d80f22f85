import { once } from 'node:events'
import http from 'node:http'

export interface HttpAnswer {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
  text: string
}

export interface GetOptions {
  method?: string
  headers?: http.OutgoingHttpHeaders
}

/**
 * One request on a connection of its own. The path goes out as it stands, which fetch would not allow.
 * @param where `http://host:port`, or the path of a UNIX socket
 */
export async function httpGet(
  where: string,
  path: string,
  { method = 'GET', headers = {} }: GetOptions = {},
): Promise<HttpAnswer> {
  const request = http.request({ ...target(where), path, method, headers, agent: false })
  request.end()
  const signal = AbortSignal.timeout(20_000)
  const [response] = (await once(request, 'response', { signal })) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  return { status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() }
}

/** Begins a download and gives the answer with its body unread. */
export async function openDownload(
  where: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
): Promise<http.IncomingMessage> {
  const request = http.request({ ...target(where), path, headers, agent: false })
  request.end()
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(20_000) })
  return response
}

function target(where: string): http.RequestOptions {
  if (!where.startsWith('http')) return { socketPath: where }
  const { hostname, port } = new URL(where)
  return { host: hostname, port }
}
