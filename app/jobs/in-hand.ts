import { type FileHandle, open, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Log } from '../core/log.ts'
import { removeFile } from '../core/remove-file.ts'
import { isGone, thisWorker } from '../core/worker.ts'

interface Kept {
  worker: string
  jobs: number[]
}

/**
 * Which jobs this process has in hand, in a file of its own that outlives it. A job whose work is done elsewhere, as long
 * as the Bot API server fetches its file, is not in hand: when the process ends meanwhile, it was not that job. Not written
 * to the disk, since it is to survive the process and not the machine; but not at once either, as long as the file system
 * is at something else.
 */
export class InHand implements AsyncDisposable {
  /** This process. */
  readonly worker: string
  readonly #prefix: string
  readonly #log: Log
  readonly #jobs = new Set<number>()
  /** Kept open, and written over: a file that is made anew each time costs several times as much. */
  #handle: FileHandle | undefined
  #length = 0
  #writing: Promise<void> = Promise.resolve()
  /** The next write, of all that is asked for until it begins. */
  #next: Promise<void> | undefined

  /**
   * @param prefix of the files of all processes that share the jobs
   * @param bootId see {@link thisWorker}
   */
  constructor(prefix: string, log: Log, bootId?: string) {
    this.worker = thisWorker(bootId)
    this.#prefix = prefix
    this.#log = log
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
  async had(worker: string, id: number): Promise<boolean> {
    const kept = await read(this.#fileOf(worker))
    return kept?.worker !== worker || kept.jobs.includes(id)
  }

  /**
   * Removes the files of processes that are gone, but of those who still have jobs: until these are put back, the files
   * are asked about them.
   */
  async forgetAllBut(workers: string[]): Promise<void> {
    const [folder, start] = [dirname(this.#prefix), `${basename(this.#prefix)}.`]
    for (const name of await readdir(folder).catch(() => [])) {
      const worker = name.slice(start.length)
      if (!name.startsWith(start) || workers.includes(worker) || !isGone(worker, this.worker)) continue
      await removeFile(join(folder, name)).catch((error) =>
        this.#log.debug({ error }, 'the jobs that a process had in hand are not forgotten'),
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#next
    await this.#writing
    await this.#handle?.close()
  }

  #fileOf(worker: string): string {
    return `${this.#prefix}.${worker}`
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
      this.#handle ??= await open(this.#fileOf(this.worker), 'w')
      // Blanks in place of what was longer before.
      await this.#handle.write(text.padEnd(this.#length), 0)
      this.#length = text.length
    } catch (error) {
      // A full or read-only disk, which is met again where it counts.
      this.#log.debug({ error }, 'the jobs in hand are not noted')
    }
  }
}

async function read(file: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Kept
  } catch {
    // There is none, or it was cut off by a full disk.
    return undefined
  }
}
