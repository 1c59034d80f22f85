import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../helpers/until.ts'
import type { Bench } from './bash.ts'

/** A person at a terminal on which a script of the installer runs. */
export class Terminal implements AsyncDisposable {
  readonly #script: ChildProcess
  /** Everything that the terminal has shown. */
  shown = ''
  #read = 0

  static async open(bench: Bench, script: string, env: Record<string, string> = {}): Promise<Terminal> {
    // bash reads a file while it runs it.
    const file = join(bench.dir, `${randomUUID()}.sh`)
    await writeFile(file, bench.sourced(script))
    return new Terminal(`exec bash ${file}`, { ...bench.environment, TERM: 'dumb', ...env })
  }

  private constructor(command: string, env: Record<string, string>) {
    this.#script = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
      env,
    })
    this.#script.stdout?.on('data', (chunk: Buffer) => {
      this.shown += chunk
    })
  }

  /** Waits until what was shown since the last answer matches. */
  async see(pattern: RegExp): Promise<void> {
    await until(
      () => `${pattern}; the terminal shows:\n${this.shown}`,
      () => pattern.test(this.shown.slice(this.#read)),
    )
  }

  type(text: string): void {
    this.#read = this.shown.length
    this.#script.stdin?.write(text)
  }

  /** Types a line in answer to a question. */
  async answer(question: RegExp, line: string): Promise<void> {
    await this.see(question)
    this.type(`${line}\n`)
  }

  /** The status of the script that ran on it. */
  async ended(): Promise<number | null> {
    if (this.#script.exitCode === null) await once(this.#script, 'close')
    return this.#script.exitCode
  }

  /** The connection is lost: everything on the terminal is hung up on. */
  async hangUp(): Promise<void> {
    this.#script.kill('SIGKILL')
    await once(this.#script, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#script.exitCode === null && this.#script.signalCode === null) await this.hangUp()
  }
}
