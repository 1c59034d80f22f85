import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'

/**
 * An append-only file of JSON lines. A record is in the page cache when `append` returns, so it outlives a
 * `kill -9` of this process (not a power cut: nothing is synced).
 */
export class Journal<T> {
  readonly #path: string
  #fd: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Hands over every whole record, then cuts off what a kill in mid-write left and opens for appending. */
  open(apply: (record: T) => void): void {
    if (existsSync(this.#path)) {
      const bytes = readFileSync(this.#path)
      let start = 0
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
        apply(JSON.parse(bytes.toString('utf8', start, end)) as T)
        start = end + 1
      }
      if (start < bytes.length) truncateSync(this.#path, start)
    }
    this.#fd = openSync(this.#path, 'a', 0o640)
  }

  /** Throws when the journal is closed or the disk is full. */
  append(record: T): void {
    if (this.#fd === undefined) throw new Error(`The journal ${this.#path} is not open`)
    writeSync(this.#fd, `${JSON.stringify(record)}\n`)
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}
