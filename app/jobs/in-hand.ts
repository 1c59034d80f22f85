import { readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Log } from '../core/log.ts'
import { thisWorker } from './worker.ts'

interface Kept {
  worker: string
  jobs: number[]
}

/**
 * Which jobs this process has in hand, in a file that outlives it. A job whose work is done elsewhere, as long as the
 * Bot API server fetches its file, is not in hand: when the process ends meanwhile, it was not that job. Not written to
 * the disk, since it is to survive the process and not the machine; but not at once either, as long as the file system is
 * at something else.
 */
export class InHand implements AsyncDisposable {
  /** This process. */
  readonly worker: string
  readonly #file: string
  readonly #log: Log
  readonly #jobs = new Set<number>()
  /** What the process before had. */
  readonly #before: Kept | undefined
  /** Kept open, and written over: a file that is made anew each time costs several times as much. */
  #handle: FileHandle | undefined
  #length = 0
  #writing: Promise<void> = Promise.resolve()
  /** The next write, of all that is asked for until it begins. */
  #next: Promise<void> | undefined

  /** @param bootId see {@link thisWorker} */
  constructor(file: string, log: Log, bootId?: string) {
    this.worker = thisWorker(bootId)
    this.#file = file
    this.#log = log
    // It stays until a job is taken: a process that ends while it starts may not have put the jobs of this one back yet.
    this.#before = read(file)
  }

  /** Resolves when it is noted: begin the job after that. */
  async take(id: number): Promise<void> {
    this.#jobs.add(id)
    await this.#note()
  }

  release(id: number): void {
    if (this.#jobs.delete(id)) void this.#note()
  }

  /** Whether a worker that is gone may have been ended by this job; so it is taken when nobody knows. */
  had(worker: string, id: number): boolean {
    return this.#before?.worker !== worker || this.#before.jobs.includes(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#next
    await this.#writing
    await this.#handle?.close()
  }

  async #note(): Promise<void> {
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined
      this.#writing = this.#write()
      return this.#writing
    })
    await this.#next
  }

  async #write(): Promise<void> {
    const text = JSON.stringify({ worker: this.worker, jobs: [...this.#jobs] })
    try {
      this.#handle ??= await open(this.#file, 'w')
      // Blanks in place of what was longer before.
      await this.#handle.write(text.padEnd(this.#length), 0)
      this.#length = text.length
    } catch (error) {
      // A full or read-only disk, which is met again where it counts.
      this.#log.debug({ error }, 'the jobs in hand are not noted')
    }
  }
}

function read(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept
  } catch {
    // There is none yet, or it was cut off by a full disk.
    return undefined
  }
}
