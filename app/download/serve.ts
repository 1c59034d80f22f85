import { create as contentDisposition } from 'content-disposition'
import type { Context } from 'koa'
import send from 'send'
import type { Log } from '../core/log.ts'
import type { Links, Sendable } from '../links/index.ts'
import type { Store } from '../store/index.ts'
import { notFound, show } from './pages.ts'

/** Sends one link's bytes, or has nginx send them. */
export type Serve = (ctx: Context, file: Sendable) => Promise<void>

/** What every answer with a file's bytes carries; nginx's internal location has the same for its answers. */
const headers = {
  // A link can be revoked and expires: nobody may keep its bytes to give them out again.
  'Cache-Control': 'private, no-store',
  // The sender chooses type and content: neither may run as a page of this site.
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Robots-Tag': 'noindex, nofollow',
}

/** The handler of /download/<uuid>: decides in one read of the database, without touching the file. */
export function downloads(links: Links, serve: Serve) {
  return async (ctx: Context & { params: Record<string, string | undefined> }): Promise<void> => {
    const file = await links.sendable(ctx.params.uuid ?? '')
    if (!file) return show(ctx, notFound)
    ctx.set('Content-Type', file.mime_type)
    ctx.set('Content-Disposition', contentDisposition(file.name, { type: 'attachment' }))
    await serve(ctx, file)
  }
}

/** Leaves the bytes, ranges, validators and the headers above to nginx's location under `prefix`. */
export function byNginx(store: Store, prefix: string): Serve {
  return async (ctx, { uuid }) => {
    ctx.set('Cache-Control', headers['Cache-Control'])
    ctx.set('X-Accel-Redirect', prefix + store.nameOf(uuid))
    ctx.body = ''
  }
}

/** Sends the bytes from this process: ranges and conditional requests by `send`, which reads from the right place. */
export function byItself(store: Store, log: Log): Serve {
  return async (ctx, { uuid }) => {
    const stats = await store.stat(uuid)
    if (!stats) {
      log.error({ uuid }, 'the file of a link is missing')
      ctx.remove('Content-Disposition')
      return show(ctx, notFound)
    }
    ctx.set(headers)
    // nginx's form, so that a download goes on when a machine changes from one way to the other.
    const etag = `"${Math.floor(stats.mtimeMs / 1000).toString(16)}-${stats.size.toString(16)}"`
    ctx.set('ETag', etag)
    // `send` compares weakly, and takes any later date; RFC 9110, 13.1.5 wants the very same validator.
    const condition = ctx.get('If-Range')
    if (condition && condition !== etag && condition !== stats.mtime.toUTCString())
      delete ctx.req.headers.range
    ctx.status = 200
    ctx.respond = false
    await new Promise<void>((resolve) => {
      ctx.res.on('close', resolve)
      send(ctx.req, store.nameOf(uuid), {
        root: store.root,
        cacheControl: false,
        etag: false,
        index: false,
        highWaterMark: 256 * 1024,
      } as send.SendOptions).pipe(ctx.res)
    })
  }
}
