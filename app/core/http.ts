import { chmod, lstat, rm } from 'node:fs/promises'
import http from 'node:http'
import Router from '@koa/router'
import Koa from 'koa'
import { codeOf, StartError } from './errors.ts'
import type { HttpSettings } from './http-settings.ts'
import type { Log } from './log.ts'

const plain = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }

/** Milliseconds for running answers when the server stops; below systemd's own limit. */
const drain = 20_000

/**
 * Answers a request before Koa sees it, for what is asked thousands of times a second: Koa and its router cost as much
 * as the whole decision. Returns false, with nothing written, to leave the request to the routes.
 */
export type Shortcut = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<boolean>

/** What the server answers with. */
export interface Site {
  routes: ((router: Router) => void)[]
  shortcuts: Shortcut[]
  /** The page for what no route knows. */
  notFound: (ctx: Koa.Context) => void
}

export class HttpServer implements AsyncDisposable {
  readonly #server: http.Server
  readonly #settings: HttpSettings

  constructor(settings: HttpSettings, { routes, shortcuts, notFound }: Site, log: Log) {
    const router = new Router()
    for (const add of routes) add(router)
    // Behind nginx on a socket, the last address of X-Forwarded-For is the one that nginx saw.
    const koa = new Koa({ proxy: settings.SERVER_SOCKET !== undefined, maxIpsCount: 1 })
    koa.on('error', (error) => {
      // A client that goes away in the middle is its own business.
      if (!['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(codeOf(error) ?? '')) {
        log.error({ error }, 'request failed')
      }
    })
    koa.use(async (ctx, next) => {
      await next()
      if (ctx.status === 404 && ctx.body === undefined && ctx.respond !== false) notFound(ctx)
    })
    koa.use(router.routes()).use(router.allowedMethods())
    const byKoa = koa.callback()
    this.#server = http.createServer(
      { requestTimeout: 30_000, headersTimeout: 15_000 },
      async (request, response) => {
        try {
          for (const answer of shortcuts) if (await answer(request, response)) return
        } catch (error) {
          koa.emit('error', error)
          if (response.headersSent) response.destroy()
          else response.writeHead(500, 'Internal Server Error', plain).end('Please try again later.\n')
          return
        }
        byKoa(request, response)
      },
    )
    this.#settings = settings
  }

  /** Listens on SERVER_SOCKET, else on SERVER_HOST and SERVER_PORT. Returns what it listens on, for the log. */
  async listen(): Promise<string> {
    const { SERVER_SOCKET: path, SERVER_HOST: host, SERVER_PORT: port } = this.#settings
    if (path !== undefined) await removeSocket(path)
    const where = path === undefined ? { host, port } : { path }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(cannotListen(this.#settings, codeOf(error))))
      this.#server.listen(where, resolve)
    })
    if (path !== undefined) await chmod(path, 0o660)
    return path ?? `http://${host}:${this.port}`
  }

  /** The TCP port, also where SERVER_PORT is 0. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const cut = setTimeout(() => this.#server.closeAllConnections(), drain)
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#server.closeIdleConnections()
    })
    clearTimeout(cut)
  }
}

/** Takes away a socket left by a crash; two servers on one path are prevented by the unit, not here. */
async function removeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found && !found.isSocket()) throw new StartError(`SERVER_SOCKET: ${path} is there and is no socket`)
  if (found) await rm(path, { force: true })
}

function cannotListen(settings: HttpSettings, code: string | undefined): StartError {
  const { SERVER_SOCKET: path, SERVER_HOST: host, SERVER_PORT: port } = settings
  if (path !== undefined) return new StartError(`SERVER_SOCKET: cannot listen on ${path} (${code})`)
  const isHost = ['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(code ?? '')
  return new StartError(`SERVER_${isHost ? 'HOST' : 'PORT'}: cannot listen on ${host}:${port} (${code})`)
}
