import { readFileSync, writeFileSync } from 'node:fs'
import type { Log } from '../core/log.ts'
import { thisWorker } from './worker.ts'

interface Kept {
  worker: string
  jobs: number[]
}

/**
 * Which jobs this process has in hand, in a file that outlives it. A job whose work is done elsewhere, as long as the
 * Bot API server fetches its file, is not in hand: when the process ends meanwhile, it was not that job. Written within
 * a few microseconds and not to the disk: it is to survive the process, not the machine.
 */
export class InHand {
  /** This process. */
  readonly worker: string
  readonly #file: string
  readonly #log: Log
  readonly #jobs = new Set<number>()
  /** What the process before had. */
  readonly #before: Kept | undefined

  /** @param bootId see {@link thisWorker} */
  constructor(file: string, log: Log, bootId?: string) {
    this.worker = thisWorker(bootId)
    this.#file = file
    this.#log = log
    // It stays until a job is taken: a process that ends while it starts may not have put the jobs of this one back yet.
    this.#before = read(file)
  }

  take(id: number): void {
    this.#jobs.add(id)
    this.#write()
  }

  release(id: number): void {
    if (this.#jobs.delete(id)) this.#write()
  }

  /** Whether a worker that is gone may have been ended by this job; so it is taken when nobody knows. */
  had(worker: string, id: number): boolean {
    return this.#before?.worker !== worker || this.#before.jobs.includes(id)
  }

  #write(): void {
    try {
      writeFileSync(this.#file, JSON.stringify({ worker: this.worker, jobs: [...this.#jobs] }))
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
