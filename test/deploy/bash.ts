import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export type Outcome = { status: number; stdout: string; stderr: string }

/** An empty folder for one test, with programs of its own that come before the machine's. */
export class Bench {
  readonly dir: string
  /** The checkout whose installer is tried. */
  source = root

  static async open(): Promise<Bench> {
    const dir = await mkdtemp(join(tmpdir(), 'tgdepot-deploy-'))
    await mkdir(join(dir, 'bin'))
    return new Bench(dir)
  }

  private constructor(dir: string) {
    this.dir = dir
  }

  /** Puts a shell script on PATH that stands in for a program. */
  async fake(name: string, script: string): Promise<void> {
    const path = join(this.dir, 'bin', name)
    await writeFile(path, `#!/bin/bash\n${script}\n`)
    await chmod(path, 0o755)
  }

  /** A script after the installer's files, which are told to leave the machine alone. */
  sourced(script: string): string {
    return `set -euo pipefail
      SOURCE=${this.source}
      source "$SOURCE/deploy/all.sh"
      cd ${this.dir}; OPT=$PWD/opt ETC=$PWD/etc SECRETS=$PWD/etc/secrets DATA=$PWD/data STATE=$PWD/state LOG=$PWD/log RUN=$PWD/run
      BUILD=$PWD/build NGINX_CONF=$PWD/nginx.conf NGINX_LIMITS=$PWD/modules-enabled/90-tgdepot.conf; mkdir -p "$OPT/releases" "$SECRETS" "$STATE" "$RUN"; touch "$LOG"\n${script}`
  }

  get environment(): Record<string, string> {
    return { PATH: `${this.dir}/bin:${process.env.PATH}`, HOME: this.dir, LANG: 'C.UTF-8' }
  }

  /** Sources the installer's files and runs a script as the installer would run it, without touching the machine. */
  run(script: string, env: Record<string, string> = {}): Promise<Outcome> {
    return new Promise((resolve) => {
      const options = { env: { ...this.environment, ...env } }
      // Without a terminal, wherever the test has been started.
      const child = execFile(
        'setsid',
        ['bash', '-c', this.sourced(script)],
        options,
        (_error, stdout, stderr) => {
          resolve({ status: child.exitCode ?? -1, stdout, stderr })
        },
      )
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}
