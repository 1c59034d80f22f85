import { createHash } from 'node:crypto'

/** In hex, as the stand-in tells it of what was sent. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
