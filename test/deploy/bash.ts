import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export type Outcome = { status: number; stdout: string; stderr: string }

/** An empty folder for one test, with programs of its own that come before the machine's. */
export class Bench {
  readonly dir: string

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

  /** Sources the installer's files and runs a script as the installer would run it, without touching the machine. */
  run(script: string, env: Record<string, string> = {}): Promise<Outcome> {
    const prelude = `set -euo pipefail
      SOURCE=${root}
      for file in lib options settings builder bot-api release nginx services; do source "$SOURCE/deploy/$file.sh"; done
      source "$SOURCE/deploy/versions.env"
      cd ${this.dir}; OPT=$PWD/opt ETC=$PWD/etc SECRETS=$PWD/etc/secrets DATA=$PWD/data STATE=$PWD/state LOG=$PWD/log
      BUILD=$PWD/build NGINX_CONF=$PWD/nginx.conf NGINX_LIMITS=$PWD/modules-enabled/90-tgdepot.conf; mkdir -p "$OPT/releases" "$SECRETS" "$STATE"; touch "$LOG"\n`
    const path = `${this.dir}/bin:${process.env.PATH}`
    return new Promise((resolve) => {
      const options = { env: { PATH: path, HOME: this.dir, LANG: 'C.UTF-8', ...env } }
      const child = execFile('bash', ['-c', prelude + script], options, (_error, stdout, stderr) => {
        resolve({ status: child.exitCode ?? -1, stdout, stderr })
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}
