import { constants, type Stats } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import send from 'send'
import { codeOf, Unavailable } from '../../core/errors.ts'
import type { Context, Shortcut } from '../../core/http.ts'
import type { Log } from '../../core/log.ts'
import { showNotFound } from '../../core/page.ts'
import type { LinkLookup } from '../../links/index.ts'
import type { Store } from '../../store/index.ts'
import { dispositionOf, typeOf } from './describe.ts'

/** What bytes carry besides type and name; nginx's internal location adds the same to its answers. */
const always = {
  // A link can be revoked and expires: nobody may keep its bytes to give them out again.
  'Cache-Control': 'private, no-store',
  // The sender chooses type and content: neither may run as a page of this site.
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Robots-Tag': 'noindex, nofollow',
}

/**
 * Whether a range asks for nothing that there is. nginx answers 416 then, but only when it has named the file, and a
 * browser or curl would save that answer under the name. Beside If-Range it may not count, and all bytes come.
 */
function isBeyond({ method, headers: { range } }: IncomingMessage, size: number) {
  if (range === undefined || method !== 'GET' || size === 0) return false
  const specs = /^bytes=(.*)$/i.exec(range)?.[1]?.split(',') ?? []
  return specs.length > 0 && !specs.some((spec) => isWithin(spec.trim(), size))
}

function isWithin(spec: string, size: number): boolean {
  const [, first = '', last = ''] = /^(\d*) *- *(\d*)$/.exec(spec) ?? []
  if (first === '') return Number(last) > 0
  return Number(first) < size && (last === '' || Number(last) >= Number(first))
}

/**
 * Leaves the bytes, ranges, validators and the headers above to nginx's location under `prefix`. Decides in one read of
 * the database, without touching the file. The name after the UUID is for people and download managers; any will do.
 * The file's name goes as X-Disposition: nginx makes its header of that where the bytes are, and no 404 carries it. For
 * a range beyond the end it is left out, unless nginx, which knows the validators, finds that the range does not count.
 */
export function byNginx(links: LinkLookup, store: Store, prefix: string): Shortcut {
  return async (request, response) => {
    const { method, url = '' } = request
    const uuid = /^\/download\/([^/?]+)(?:[/?]|$)/.exec(url)?.[1]
    if (uuid === undefined || (method !== 'GET' && method !== 'HEAD')) return false
    const file = await links.findDownloadable(uuid)
    if (!file) return false
    const isOut = isBeyond(request, file.size)
    response.sendDate = false
    // A list, which Node sends as it is: an object's names would be looked at one by one.
    response.writeHead(200, [
      'Content-Type',
      typeOf(file),
      isOut ? 'X-Disposition-Of-All' : 'X-Disposition',
      dispositionOf(file),
      'X-Accel-Redirect',
      prefix + store.nameOf(file.uuid),
      'Content-Length',
      '0',
    ])
    response.end()
    return true
  }
}

type Page = Context & { params: Record<string, string | undefined> }

/** Links named in the log for their bytes; of a whole disk that fails, not each. */
const mostNamed = 1000

/** Sends the bytes from this process: ranges and conditional requests by `send`, which reads from the right place. */
export function byItself(links: LinkLookup, store: Store, log: Log) {
  const named = new Set<string>()
  return async (ctx: Page): Promise<void> => {
    const file = await links.findDownloadable(ctx.params.uuid ?? '')
    if (!file) return showNotFound(ctx)
    const { uuid } = file
    const stats = await factsOf(store, uuid).catch((error) => unreadable(uuid, error))
    if (!stats) {
      // Of a store that is not there, nothing is lost.
      if (!(await store.look())) throw new Unavailable('the store is not there')
      report(uuid, 'the file of a link is missing')
      return showNotFound(ctx)
    }
    ctx.set({ 'Content-Type': typeOf(file), 'Content-Disposition': dispositionOf(file), ...always })
    // nginx's form, so that a download goes on when a machine changes from one way to the other.
    const etag = `"${Math.floor(stats.mtimeMs / 1000).toString(16)}-${stats.size.toString(16)}"`
    ctx.set('ETag', etag)
    readAsHttpSays(ctx, stats, etag)
    const refusal = await sent(ctx, store, uuid)
    if (!refusal) return
    const { status, headers = {} } = refusal
    for (const name of ofBytes) ctx.remove(name)
    if (status !== 412 && status !== 416) unreadable(uuid, refusal)
    ctx.set(headers)
    ctx.status = status
  }

  /** Once for a link: whoever asks for it again and again writes no further line. */
  function report(uuid: string, message: string, error?: unknown): void {
    if (named.has(uuid) || named.size >= mostNamed) return
    named.add(uuid)
    log.error({ uuid, error }, message)
  }

  function unreadable(uuid: string, error: unknown): never {
    report(uuid, 'the file of a link cannot be read', error)
    throw new Unavailable('the file cannot be read')
  }
}

/** What an answer without bytes does not carry. */
const ofBytes = ['Accept-Ranges', 'Content-Disposition', 'Content-Type', 'ETag', 'Last-Modified']

/** Has `send` read conditions and ranges as the standard says. */
function readAsHttpSays(ctx: Page, stats: Stats, etag: string): void {
  // `send` compares weakly, and takes any later date; RFC 9110, 13.1.5 wants the very same validator.
  const condition = ctx.get('If-Range')
  const isOther = condition !== '' && condition !== etag && condition !== stats.mtime.toUTCString()
  // For `send` a weak tag matches a strong one; RFC 9110, 13.1.1 wants them compared strongly.
  const tags = ctx
    .get('If-Match')
    .split(',')
    .map((tag) => tag.trim())
  const strong = tags.filter((tag) => !tag.startsWith('W/'))
  if (strong.length < tags.length) ctx.req.headers['if-match'] = strong.join(', ') || '"none"'
  // RFC 9110, 14.2: only a GET has ranges.
  if (isOther || ctx.method !== 'GET') delete ctx.req.headers.range
  // RFC 9110, 14.1.2: a suffix longer than the file is all of it; `send` refuses that.
  const suffix = /^bytes=-(\d+)$/.exec(ctx.req.headers.range ?? '')?.[1]
  if (suffix !== undefined && Number(suffix) > stats.size && stats.size > 0)
    ctx.req.headers.range = 'bytes=0-'
}

interface Refusal extends Error {
  status: number
  headers?: Record<string, string>
}

/** Sends a file. Resolves with why it could not; by then the connection is cut if a part of it had gone. */
async function sent(ctx: Page, store: Store, uuid: string): Promise<Refusal | undefined> {
  // Not Koa's setter, which would also fix the phrase: `206 OK`.
  ctx.res.statusCode = 200
  ctx.respond = false
  const refusal = await new Promise<Refusal | undefined>((resolve) => {
    ctx.res.on('close', () => resolve(undefined))
    const options = { root: store.root, cacheControl: false, etag: false, index: false }
    send(ctx.req, store.nameOf(uuid), { ...options, highWaterMark: 64 * 1024 } as send.SendOptions)
      .on('error', resolve)
      .pipe(ctx.res)
  })
  if (!refusal) return undefined
  if (ctx.res.headersSent) ctx.res.destroy()
  else ctx.respond = true
  return refusal
}

/** What nginx, too, takes for a file that is not there. */
const absent = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']

/** Undefined when the file is not there. A symbolic link, folder or pipe in its place is nothing that we put there. */
async function factsOf(store: Store, uuid: string): Promise<Stats | undefined> {
  try {
    const [root, path] = await Promise.all([realpath(store.root), realpath(store.pathOf(uuid))])
    const [stats] = await Promise.all([stat(path), access(path, constants.R_OK)])
    return path === join(root, store.nameOf(uuid)) && stats.isFile() ? stats : undefined
  } catch (error) {
    if (absent.includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
