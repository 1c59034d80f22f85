import { chmod, lstat, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type Router from '@koa/router'
import Koa from 'koa'
import { codeOf, StartError, Unavailable } from './errors.ts'
import type { HttpSettings } from './http-settings.ts'
import type { Log } from './log.ts'
import { http } from './node-http.ts'
import { showNotFound, showUnavailable } from './page.ts'

export type { Context } from 'koa'
export type { Router }

// Not by an import: the library's own modules import Node's `http`.
const { Router: Routes } = createRequire(import.meta.url)('@koa/router') as typeof import('@koa/router')

/** Milliseconds for running answers when the server stops; below systemd's own limit. */
const drain = 20_000

/** The same where the next process waits for this one's end, with visitors waiting for it: they are asked again there. */
const drainForNext = 3000

/** Milliseconds, up to twice as many, after which a client that takes nothing is cut off: its file would stay open. */
const silence = 30_000

/** For a socket that others queue at while this process restarts; Node's own is 511. */
const backlog = 4096

/**
 * Answers a request before Koa sees it, for what is asked thousands of times a second: Koa and its router cost as much
 * as the whole decision. Returns false, with nothing written, to leave the request to the routes.
 */
export type Shortcut = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>

/** What the server answers with. */
export interface Site {
  routes: ((router: Router) => void)[]
  shortcuts: Shortcut[]
}

/** A client that goes away in the middle, or speaks no HTTP, is its own business. */
function isClients(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code) || code.startsWith('HPE_')
}

/** RFC 9112, 3.2: who sends two Host lines wants two programs to see two hosts. nginx refuses it by itself. */
function isDoubled({ headersDistinct }: IncomingMessage): boolean {
  return (headersDistinct.host?.length ?? 0) > 1
}

export class HttpServer implements AsyncDisposable {
  readonly #server: Server
  readonly #settings: HttpSettings
  /** The descriptor of a socket that listens already. */
  readonly #inherited: number | undefined
  #isStopping = false

  constructor(settings: HttpSettings, site: Site, log: Log, inherited?: number) {
    this.#settings = settings
    this.#inherited = inherited
    // Behind nginx on a socket, the last address of X-Forwarded-For is the one that nginx saw.
    const koa = new Koa({ proxy: settings.SERVER_SOCKET !== undefined, maxIpsCount: 1 })
    koa.on('error', (error) => {
      if (!isClients(error)) log.error({ error }, 'request failed')
    })
    const failed = new WeakMap<IncomingMessage, unknown>()
    const byKoa = this.#pages(koa, site, failed)
    this.#server = http.createServer(
      {
        requestTimeout: 30_000,
        headersTimeout: 15_000,
        // How often Node looks whether those two have passed; by itself every 30 s.
        connectionsCheckingInterval: 1000,
        // Longer than nginx keeps a connection that it does not use: the one that ends it cannot be surprised by it.
        keepAliveTimeout: settings.SERVER_SOCKET === undefined ? 5000 : 75_000,
      },
      async (request, response) => {
        if (this.#isStopping) response.shouldKeepAlive = false
        try {
          for (const answer of site.shortcuts) if (await answer(request, response)) return
        } catch (error) {
          if (response.headersSent) {
            koa.emit('error', error)
            response.destroy()
            return
          }
          failed.set(request, error)
        }
        byKoa(request, response)
      },
    )
    this.#server.timeout = silence
  }

  /** What Koa answers; also where a shortcut has failed. */
  #pages(koa: Koa, site: Site, failed: WeakMap<IncomingMessage, unknown>) {
    const router = new Routes()
    for (const add of site.routes) add(router)
    koa.use(async (ctx, next) => {
      try {
        if (failed.has(ctx.req)) throw failed.get(ctx.req)
        if (isDoubled(ctx.req)) {
          ctx.status = 400
          return
        }
        await next()
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        return showUnavailable(ctx)
      }
      if (ctx.status === 404 && ctx.body === undefined && ctx.respond !== false) showNotFound(ctx)
    })
    koa.use(router.routes()).use(router.allowedMethods())
    return koa.callback()
  }

  /** Listens on the inherited socket, SERVER_SOCKET, or SERVER_HOST and SERVER_PORT. Returns which, for the log. */
  async listen(): Promise<string> {
    const { SERVER_SOCKET: path, SERVER_HOST: host, SERVER_PORT: port } = this.#settings
    const fd = this.#inherited
    const isOwn = path !== undefined && fd === undefined
    if (isOwn) await removeSocket(path)
    const where = fd !== undefined ? { fd } : path === undefined ? { host, port } : { path }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(cannotListen(this.#settings, codeOf(error))))
      this.#server.listen({ ...where, backlog }, resolve)
    })
    if (isOwn) await chmod(path, 0o660)
    return path ?? `http://${host}:${this.port}`
  }

  /** The TCP port, also where SERVER_PORT is 0. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Resolves when a visitor at the door gets an answer; of a page that asks nobody else. */
  async comesRound(): Promise<void> {
    const { SERVER_SOCKET: socketPath, SERVER_HOST: host } = this.#settings
    const where = socketPath === undefined ? { host, port: this.port } : { socketPath }
    await new Promise<void>((resolve, reject) => {
      const request = http.get({ ...where, path: '/', agent: false }, (response) => {
        response.resume().on('end', resolve).on('error', reject)
      })
      request.on('error', reject)
    })
  }

  /** Takes no more connections at once; those that wait for an answer get it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    const longest = this.#inherited === undefined ? drain : drainForNext
    const cut = setTimeout(() => this.#server.closeAllConnections(), longest)
    // A connection whose answer had begun is kept by Node after it, for nobody.
    const idle = setInterval(() => this.#server.closeIdleConnections(), 100)
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#server.closeIdleConnections()
    })
    clearInterval(idle)
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
