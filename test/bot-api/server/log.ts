import { closeSync, openSync, writeSync } from 'node:fs'

/** Level 0 = fatal, 1 = error, 2 = warning, 3 = info. */
export type Log = (level: number, line: string) => void

/** A log on stderr, or in the file `path`, of lines up to `verbosity`; `reopen` follows a rotation. */
export function openLog(verbosity: number, path: string | undefined): { log: Log; reopen: () => void } {
  let fd = path === undefined ? 2 : openSync(path, 'a', 0o640)
  const log: Log = (level, line) => {
    if (level <= verbosity) writeSync(fd, `[ ${level}][${new Date().toISOString()}] ${line}\n`)
  }
  const reopen = () => {
    if (path === undefined) return
    closeSync(fd)
    fd = openSync(path, 'a', 0o640)
  }
  return { log, reopen }
}
