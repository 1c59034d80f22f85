import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './until.ts'

const script = join(import.meta.dirname, '../../deploy/api-helper.pl')

/** Hands a program a socket that listens, as systemd does. */
const listenFor = `use Socket; use POSIX; $^F = 3; my ($path, $socket) = shift;
socket($socket, PF_UNIX, SOCK_STREAM, 0) && bind($socket, sockaddr_un("$path.new")) && listen($socket, 64) or die;
POSIX::dup2(fileno $socket, 3); rename "$path.new", $path; exec @ARGV`

export interface HelperOptions {
  /** Where its socket goes. */
  path: string
  /** The server's `--dir` and port. */
  files: string
  port: number
  /** A program that starts it as somebody else. */
  as?: string[]
}

/** Starts the Bot API server's helper as systemd does. */
export async function startHelper({ path, files, port, as = [] }: HelperOptions): Promise<AsyncDisposable> {
  const program = [...as, 'perl', script, files, String(port)]
  // A group of its own: each connection has a process.
  const child = spawn('perl', ['-e', listenFor, path, ...program], { stdio: 'inherit', detached: true })
  const kill = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGKILL')
  }
  process.on('exit', kill)
  await until('the helper listens', () => existsSync(path))
  return {
    async [Symbol.asyncDispose]() {
      process.off('exit', kill)
      kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
