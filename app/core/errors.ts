/** The start cannot go on: the owner of the machine reads `faults`, a line each, and mends them. */
export class StartError extends Error {
  override name = 'StartError'
  readonly faults: string[]

  constructor(...faults: string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** The `code` of a system or driver error (`ENOENT`, `SQLITE_BUSY`), or undefined when it has none. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Something cannot be had for a while, by no fault of whoever asks: the same may work soon. */
export class Unavailable extends Error {
  override name = 'Unavailable'
}
