import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Node has no UNIX datagrams.
const listener = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die "$!"; print "listening\\n";
while (defined recv($s, my $text, 4096, 0)) { print "$text\\n" }`

/** Plays the end of sd_notify(3) that systemd has. */
export class NotifySocket implements AsyncDisposable {
  readonly path: string
  /** What was said, in this order. */
  readonly words: string[] = []
  readonly #dir: string
  readonly #perl: ReturnType<typeof spawn>

  static async open(): Promise<NotifySocket> {
    const socket = new NotifySocket(await mkdtemp(join(tmpdir(), 'tgdepot-notify-')))
    await socket.#listening()
    return socket
  }

  private constructor(dir: string) {
    this.#dir = dir
    this.path = join(dir, 'socket')
    this.#perl = spawn('perl', ['-e', listener, this.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  /** How often a word was said. */
  count(word: string): number {
    return this.words.filter((one) => one === word).length
  }

  async #listening(): Promise<void> {
    const { stdout } = this.#perl
    if (!stdout) throw new Error('no output')
    stdout.setEncoding('utf8')
    await once(stdout, 'data')
    stdout.on('data', (text: string) => {
      this.words.push(...text.split('\n').filter((word) => word !== ''))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#perl.kill()
    await rm(this.#dir, { recursive: true, force: true })
  }
}
