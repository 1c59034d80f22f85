import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds for one answer, which takes less than one. */
const patience = 10_000

/** Milliseconds between two looks at whether the server has taken up a connection. */
const lookEvery = 20

/**
 * What was asked for could not be done: `code` is errno(3)'s, or `OTHER_USER`; or nobody answered: `HELPER_AWAY`,
 * `HELPER_SILENT`, `STOPPED` (by us).
 */
export class HelperError extends Error {
  override name = 'HelperError'
  readonly code: string

  constructor(code: string, request: string) {
    super(`the Bot API server's helper: ${request}: ${code}`)
    this.code = code
  }
}

interface Waiting {
  answered(answer: string): void
  failed(code: string): void
}

/**
 * A process of the Bot API server's own user, where that is another one than the bot's: `deploy/api-helper.pl` behind a
 * UNIX socket. One connection for all requests, made when there is something to ask; it answers in order.
 */
export class ServerHelper {
  readonly #path: string
  readonly #patience: number
  #socket: net.Socket | undefined
  #waiting: Waiting[] = []
  #isClosed = false

  constructor(path: string, limit = patience) {
    this.#path = path
    this.#patience = limit
  }

  /**
   * Makes a finished file of the server's one that the bot may link and remove.
   * @throws HelperError
   */
  async handOver(path: string): Promise<void> {
    const answer = await this.#ask('file', path)
    // Without the path, which holds the token.
    if (answer !== 'ok') throw new HelperError(answer, 'file')
  }

  /**
   * Waits until somebody has taken up a connection to the server, and looks who that is.
   * @param port this end of it
   * @throws HelperError unless it is the server's user
   */
  async requireServer(port: number): Promise<void> {
    const deadline = performance.now() + this.#patience
    for (;;) {
      const answer = await this.#ask('peer', String(port))
      if (answer === 'ok') return
      if (answer === 'EPERM') throw new HelperError('OTHER_USER', 'peer')
      if (answer !== 'ENOTCONN' || performance.now() > deadline) throw new HelperError(answer, 'peer')
      await delay(lookEvery)
    }
  }

  /** Whoever waits for an answer gets an error. */
  close(): void {
    this.#isClosed = true
    this.#drop('STOPPED')
  }

  async #ask(verb: string, argument: string): Promise<string> {
    if (this.#isClosed) throw new HelperError('STOPPED', verb)
    this.#socket ??= this.#connect()
    const socket = this.#socket
    // One that hangs is left: the next request gets another process.
    const timer = setTimeout(() => this.#drop('HELPER_SILENT', socket), this.#patience)
    try {
      return await new Promise<string>((answered, reject) => {
        const failed = (code: string) => reject(new HelperError(code, verb))
        this.#waiting.push({ answered, failed })
        socket.write(`${verb} ${argument}\0`)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  #connect(): net.Socket {
    const socket = net.connect(this.#path)
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      const answers = (text + chunk).split('\0')
      text = answers.pop() ?? ''
      for (const answer of answers) this.#waiting.shift()?.answered(answer)
    })
    socket.on('error', () => this.#drop('HELPER_AWAY', socket))
    socket.on('close', () => this.#drop('HELPER_AWAY', socket))
    return socket
  }

  /** Gives up the connection, and all that were asked on it. */
  #drop(code: string, socket = this.#socket): void {
    if (socket === undefined || socket !== this.#socket) return
    this.#socket = undefined
    const waiting = this.#waiting
    this.#waiting = []
    socket.destroy()
    for (const { failed } of waiting) failed(code)
  }
}
