import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

/** What happens to a request on its way; undefined lets it through. */
export type Spoil = (path: string) => Cut | { status: number; html: string } | undefined

interface Cut {
  cutAfter: number
  /** How the head says where the body ends; by default as the server's did. */
  length?: 'chunked' | 'none'
}

export interface Proxy extends AsyncDisposable {
  url: string
  /** Set by the test. */
  spoil: Spoil
}

/** A server in the middle, like a company's proxy, that can cut a body short or answer by itself. */
export async function startProxy(target: string): Promise<Proxy> {
  const server = http.createServer((request, response) => {
    const spoiled = proxy.spoil(request.url ?? '')
    if (spoiled && 'html' in spoiled) {
      request.resume()
      return response.writeHead(spoiled.status, { 'content-type': 'text/html' }).end(spoiled.html)
    }
    const { method = 'GET', headers } = request
    const onwards = http.request(target + request.url, { method, headers, agent: false })
    onwards.on('error', () => response.destroy())
    response.on('close', () => onwards.destroy())
    request.pipe(onwards)
    onwards.on('response', (answer) => {
      const { 'content-length': _length, connection: _connection, ...others } = answer.headers
      response.useChunkedEncodingByDefault = spoiled?.length !== 'none'
      response.writeHead(answer.statusCode ?? 502, spoiled?.length === undefined ? answer.headers : others)
      pipeline(answer, firstBytes(spoiled?.cutAfter), response).catch(() => response.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spoil: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
  return proxy
}

/** Lets `count` bytes through and then breaks. */
function firstBytes(count = Number.POSITIVE_INFINITY) {
  return async function* (chunks: AsyncIterable<Buffer>) {
    let left = count
    for await (const chunk of chunks) {
      yield chunk.subarray(0, left)
      left -= chunk.length
      if (left <= 0) throw new Error('cut by the test')
    }
  }
}
