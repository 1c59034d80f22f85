import type { Context } from 'koa'
import { z } from 'zod'
import { isSecret } from './secret.ts'

/** What opens the pages that are the administrator's alone. */
export const adminToken = z
  .string()
  .min(16, 'must have at least 16 characters')
  // It comes in a header, in which other characters arrive changed: nobody would ever be let in.
  .regex(/^[\x21-\x7e]*$/, 'must be of ASCII characters without blanks')
  .optional()

/** Whether a request holds the administrator's token. */
export function isAdministrator(ctx: Context, token: string): boolean {
  return isSecret(/^Bearer +(.+)$/i.exec(ctx.get('Authorization'))?.[1] ?? '', token)
}

/** Whether a request may know what only the owner of the machine does: with the administrator's token, or from there. */
export function isTrusted(ctx: Context, token: string | undefined): boolean {
  return isLocal(ctx) || (token !== undefined && isAdministrator(ctx, token))
}

/** What a proxy adds to a request that it passes on; nginx, as the installer sets it up, the first. */
const ofProxies = ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-IP', 'Forwarded', 'Via']

/** Whether somebody on this machine asks this process itself: on its UNIX socket, or on loopback. */
function isLocal(ctx: Context): boolean {
  if (ofProxies.some((name) => ctx.get(name) !== '')) return false
  // A UNIX socket's other end has no address.
  const { remoteAddress = '' } = ctx.req.socket
  return remoteAddress === '' || /^(::ffff:)?127\.|^::1$/.test(remoteAddress)
}
