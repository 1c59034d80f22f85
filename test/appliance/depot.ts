import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ShownChat, ShownMessage } from '../bot-api/control/show-chat.ts'
import type { FileSpec } from '../bot-api/control/user-actions.ts'
import { newToken } from '../bot-api/fresh.ts'
import { readManifest } from '../helpers/units.ts'
import { type Finished, hostEnvironment, must, waitFor } from './host.ts'
import type { JournalEntry, Machine } from './machine.ts'

export const domain = 'depot.test'
export const dataFolder = '/var/lib/tgdepot'
/** The checkout in the machine, and the stand-in Bot API server beside its own runtime. */
export const checkout = '/root/tgdepot'
export const standInFolder = '/usr/local/lib/bot-api-stand-in'
export const standIn = '/root/telegram-bot-api'

const root = resolve(import.meta.dirname, '../..')
export const manifest = readManifest(join(root, 'systemd'))
/** Those that run as users of their own. */
export const services = manifest.filter(({ unit, user }) => unit.endsWith('.service') && user !== 'root')
export const units = services.map(({ unit }) => unit)
/** The machine is a neighbour: no proxy of the host leads to it. */
const direct = { ...hostEnvironment, no_proxy: '*', NO_PROXY: '*' }
const storedPath = new RegExp(`https://${domain}/download/([0-9a-f-]{36})(?:/[A-Za-z0-9._%-]+)?`)

/** A link that a chat showed, and what the sender knows of its file. */
export type SentFile = {
  url: string
  uuid: string
  sha256: string
  size: number
  chatId: number
  text: string
}

export type Answer = { status: number; headers: Headers; body: Buffer }

/** tgdepot in a machine, as its owner (`install`), a person in Telegram (`send`) and a visitor (`get`) see it. */
export class Depot {
  readonly machine: Machine
  readonly secrets = {
    TELEGRAM_BOT_TOKEN: newToken(),
    TELEGRAM_API_ID: '1234567',
    TELEGRAM_API_HASH: randomBytes(16).toString('hex'),
  }
  /** Bodies of all answers of the web role, and their headers: the token must be in none of them. */
  readonly answers: string[] = []
  /** What the installer printed in all runs. */
  printed = ''
  /** The files that were sent, by a name that the steps agree on. */
  readonly sent = new Map<string, SentFile>()

  constructor(machine: Machine) {
    this.machine = machine
  }

  /** Puts the checkout, the stand-in and the secrets' files into the machine. */
  async prepare(): Promise<void> {
    const { machine } = this
    const list = await must('git', ['-C', root, 'ls-files', '-coz', '--exclude-standard'])
    const present = list.split('\0').filter((file) => file && existsSync(join(root, file)))
    await must('mkdir', ['-p', join(machine.tree, checkout)])
    const pack = `tar -C '${root}' --null -T - -cf - | tar -C '${machine.tree}${checkout}' --no-same-owner -xf -`
    await must('bash', ['-o', 'pipefail', '-c', pack], { input: present.join('\0') })

    await machine.copyIn(process.execPath, `${standInFolder}/node`)
    await machine.copyIn(join(root, 'test/bot-api'), `${standInFolder}/bot-api`)
    await machine.writeFile(`${standInFolder}/package.json`, '{"type":"module"}')
    // The stand-in's Telegram lies in the one folder that the unit lets the server write to.
    const start = `export TELEGRAM_CLOUD_DIR=${dataFolder}/bot-api/telegram-cloud
exec ${standInFolder}/node ${standInFolder}/bot-api/main.ts "$@"`
    await machine.writeFile(standIn, `#!/bin/sh\n${start}\n`, 0o755)
    await machine.writeFile('/root/secrets/token', this.secrets.TELEGRAM_BOT_TOKEN, 0o600)
  }

  /** Runs install.sh as a person would, and keeps what it prints. */
  async install(flags: string, env: Record<string, string> = {}): Promise<Finished> {
    const finished = await this.machine.run(`cd ${checkout} && ./install.sh ${flags}`, {
      env,
      timeout: 400_000,
    })
    this.printed += finished.stdout + finished.stderr
    return finished
  }

  /** Asks the stand-in's control port. */
  async control<T>(method: string, path: string, body?: object): Promise<T> {
    const data = body === undefined ? '' : '--header content-type:application/json --data-binary @-'
    const call = `curl --silent --show-error --max-time 120 --request ${method} ${data} 'http://127.0.0.1:8082${path}'`
    const text = await this.machine.sh(call, { input: body ? JSON.stringify(body) : '', timeout: 130_000 })
    const answer = JSON.parse(text)
    if (answer.error) throw new Error(`${method} ${path}: ${answer.error}`)
    return answer
  }

  /** A user (their id is the chat's too) sends a file; resolves when the chat shows its link. */
  async send(userId: number, file: FileSpec, limit = 30_000): Promise<SentFile> {
    const body = { from: { id: userId, first_name: 'Ann' }, file }
    const sent = await this.control<{ message_id: number; chat_id: number; sha256: string }>(
      'POST',
      '/messages?sha256=1',
      body,
    )
    const message = await this.waitForAnswer(sent.chat_id, sent.message_id, limit)
    const [url = '', uuid = ''] = storedPath.exec(message.text ?? '') ?? []
    const { sha256, chat_id: chatId } = sent
    return { url, uuid, sha256, size: file.size ?? 1024, chatId, text: message.text ?? '' }
  }

  /** Waits for the message with a link that answers a user's message. */
  async waitForAnswer(chatId: number, messageId: number, limit: number): Promise<ShownMessage> {
    let last: ShownMessage | undefined
    try {
      return await waitFor('a message with a link', limit, async () => {
        const { messages } = await this.control<ShownChat>('GET', `/chats/${chatId}`)
        last = messages.find((message) => message.reply_to_message_id === messageId && !message.deleted)
        return last && storedPath.test(last.text ?? '') && last
      })
    } catch (error) {
      throw new Error(`${(error as Error).message}; the chat showed: ${last?.text}`)
    }
  }

  /** Visits an address of the site through nginx over TLS, from outside of the machine. */
  async get(path: string, ...options: string[]): Promise<Answer> {
    const url = path.startsWith('http') ? path : `https://${domain}${path}`
    const folder = await mkdtemp(join(tmpdir(), 'visit-'))
    try {
      const files = ['--dump-header', join(folder, 'headers'), '--output', join(folder, 'body')]
      await must('curl', [...this.curlOptions, ...files, ...options, url], { timeout: 60_000, env: direct })
      const body = await readFile(join(folder, 'body')).catch(() => Buffer.alloc(0))
      const head = await readFile(join(folder, 'headers'), 'utf8')
      this.answers.push(head, body.toString('latin1').slice(0, 1e6))
      return { ...parseHead(head), body }
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  /** Lets a shell command of the host work with `$CURL`, which is set up to reach the site. */
  async visit(command: string, timeout = 120_000): Promise<string> {
    const curl = ['curl', ...this.curlOptions].join(' ')
    const script = command.replaceAll('$CURL', curl)
    return (await must('bash', ['-o', 'pipefail', '-c', script], { timeout, env: direct })).trim()
  }

  get curlOptions(): string[] {
    return [
      '--silent',
      '--show-error',
      '--cacert',
      join(this.machine.tree, 'etc/tgdepot/tls/fullchain.pem'),
      '--resolve',
      `${domain}:443:${this.machine.address}`,
      '--resolve',
      `${domain}:80:${this.machine.address}`,
    ]
  }

  /** The sha256 of what a visitor gets. */
  async download(url: string): Promise<string> {
    return (await this.visit(`$CURL --fail '${url}' | sha256sum`)).slice(0, 64)
  }

  /** As a visitor sees it, with the details that the administrator's token opens. */
  async health(): Promise<{ status: number; parts: Record<string, { ok: boolean; detail: string }> }> {
    const token = (await this.machine.readFile('/etc/tgdepot/secrets/ADMIN_TOKEN')).trim().split('=')[1]
    const { status, body } = await this.get('/health', '--header', `Authorization: Bearer ${token}`)
    return { status, parts: JSON.parse(body.toString()).parts }
  }

  async waitForHealth(status: 200 | 503, limit = 60_000): Promise<void> {
    await waitFor(`/health to be ${status}`, limit, async () => {
      const answer = await this.get('/health').catch(() => undefined)
      return answer?.status === status
    })
  }

  /** Units that failed and are ours or nginx; what a busy host denies a machine's other units is no fault of ours. */
  async failedUnits(): Promise<string[]> {
    return (await this.machine.failedUnits()).filter((unit) => /^(tgdepot|nginx)/.test(unit))
  }

  /** One property of a unit. */
  property(unit: string, name: string): Promise<string> {
    return this.machine.sh(`systemctl show --property=${name} --value ${unit}`)
  }

  /** The path of a link's bytes in the machine. */
  storePath(uuid: string): string {
    return `${dataFolder}/store/${uuid.slice(0, 2)}/${uuid}`
  }

  /** The lines that one of our programs wrote, as the objects that they are. Throws for a line that is no JSON. */
  async logOf(unit: string, more = ''): Promise<Record<string, unknown>[]> {
    const entries = await this.machine.journal(unit, more)
    const own = entries.filter((entry: JournalEntry) => `${entry.SYSLOG_IDENTIFIER}.service` === unit)
    return own.map((entry) => JSON.parse(entry.MESSAGE))
  }

  file(name: string): SentFile {
    const file = this.sent.get(name)
    if (!file) throw new Error(`no file "${name}" was sent before`)
    return file
  }

  /** What a person would look at when something broke. */
  async describeTrouble(): Promise<string> {
    const commands = [
      'systemctl list-units --no-pager --plain --all "tgdepot*" nginx.service',
      'journalctl --no-pager --lines=40 --output=cat --unit="tgdepot*"',
      'tail -n 5 /var/log/nginx/error.log /var/log/tgdepot/error.log',
    ]
    const parts: string[] = []
    for (const command of commands) {
      const { stdout, stderr } = await this.machine.run(command)
      parts.push(`# ${command}\n${stdout}${stderr}`)
    }
    const clean = parts.join('\n').replaceAll(this.secrets.TELEGRAM_BOT_TOKEN, '[token]')
    return clean.slice(-12_000)
  }
}

function parseHead(text: string): { status: number; headers: Headers } {
  // After "100 Continue" or a proxy's answer the last block counts.
  const [first = '', ...lines] = (
    text
      .trim()
      .split(/\r?\n\r?\n/)
      .at(-1) ?? ''
  ).split(/\r?\n/)
  const headers = new Headers()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return { status: Number(first.split(' ')[1]), headers }
}
