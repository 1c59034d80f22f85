import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import { python } from './fastapi.ts'
import { findProgram, output } from './programs.ts'

/** What the figures depend on, in words. */
export async function describeMachine(folder: string): Promise<Record<string, string>> {
  const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  const { bavail, bsize } = await statfs(folder)
  const processors = cpus()
  return {
    cpu: `${processors[0]?.model.trim()}, ${processors.length} cores, load before ${loadavg()[0]?.toFixed(2)}`,
    memory: `${gibibytes(totalmem())}, ${gibibytes(freemem())} free`,
    system: `${systemName()}, kernel ${release()}`,
    disk: `${await fileSystemOf(folder)}, ${gibibytes(bavail * bsize)} free, below ${folder}`,
    node: process.versions.node,
    nginx: await versionOf('nginx', ['-v']),
    wrk: await versionOf('wrk', ['-v']),
    curl: await versionOf('curl', ['--version']),
    python: await pythonVersions(),
  }
}

function systemName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown'
}

/** Type and device; on tmpfs nothing ever waits for a disk. */
async function fileSystemOf(folder: string): Promise<string> {
  const lines = (await output('df', ['--output=fstype,source', folder])).trim().split('\n')
  return lines.at(-1)?.trim().replace(/\s+/, ' on ') ?? 'unknown'
}

/** The first thing in a program's words that looks like a version; some tell it on stderr, and end with an error. */
async function versionOf(program: string, args: string[]): Promise<string> {
  if (findProgram(program) === undefined) return 'not installed'
  const text = await output('sh', ['-c', '"$0" "$@" 2>&1 || true', findProgram(program) ?? '', ...args])
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown'
}

async function pythonVersions(): Promise<string> {
  const modules = ['fastapi', 'starlette', 'uvicorn', 'uvloop', 'httptools']
  const code = `import sys
from importlib.metadata import version, PackageNotFoundError
print(sys.version.split()[0], end='')
for name in ${JSON.stringify(modules)}:
    try: print(',', name, version(name), end='')
    except PackageNotFoundError: print(', no', name, end='')`
  return await output(python, ['-c', code]).catch(() => 'not installed')
}
