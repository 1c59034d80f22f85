import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether somebody gave the secret that is expected; takes as long for a good guess as for a bad one. */
export function isSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
