import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type CommandOptions, execute, type Finished, findInit, hostEnvironment, waitFor } from './host.ts'
import { networkOf } from './network.ts'
import { claimSlot, freeSlot, type Slot, treeOf } from './slots.ts'
import { keepPackages, makeTree, registryEnvironment, type Suite } from './tree.ts'

const basicEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
}

export type RunOptions = {
  /** Milliseconds until the command is killed. Default: 60 000. */
  timeout?: number
  input?: string
  /** Added to a basic environment; nothing else of the test's own environment reaches the machine. */
  env?: Record<string, string>
}

/** A journal entry as `journalctl --output=json` prints it. */
export type JournalEntry = Record<string, string> & { MESSAGE: string }

/**
 * A booted Debian with systemd as its PID 1, its own network and a fresh copy of the suite's base tree.
 * Disposing it kills it and removes everything it had on the host.
 */
export class Machine implements AsyncDisposable {
  readonly suite: Suite
  readonly address: string
  readonly #slot: Slot
  #container: ChildProcess | undefined
  #init = 0

  private constructor(suite: Suite, slot: Slot) {
    this.suite = suite
    this.#slot = slot
    this.address = networkOf(slot.number).address
  }

  /** Boots a fresh machine. Throws with the console's last lines when it does not come up in 90 s. */
  static async boot(suite: Suite): Promise<Machine> {
    const slot = await claimSlot()
    const machine = new Machine(suite, slot)
    try {
      await allowWatches()
      await makeTree(suite, machine.tree)
      await machine.#start()
    } catch (error) {
      await freeSlot(slot)
      throw error
    }
    return machine
  }

  /** The machine's root file system as a path of the host; /run and /tmp of the machine are not in it. */
  get tree(): string {
    return treeOf(this.#slot)
  }

  /** The name of its network namespace, and of its interface on the host. */
  get namespace(): string {
    return networkOf(this.#slot.number).namespace
  }

  /** The host's own address on the machine's network. */
  get hostAddress(): string {
    return networkOf(this.#slot.number).hostAddress
  }

  /** The host's id of its PID 1. */
  get init(): number {
    return this.#init
  }

  async #start(): Promise<void> {
    const console = openSync(join(this.#slot.folder, 'console.log'), 'a')
    // The container dies with the test process, however that ends.
    const container = spawn(
      'setpriv',
      [
        '--pdeathsig=KILL',
        'systemd-nspawn',
        '--quiet',
        '--register=no',
        '--keep-unit',
        `--directory=${this.tree}`,
        `--machine=tgd-m${this.#slot.number}`,
        '--hostname=depot',
        '--resolv-conf=off',
        '--timezone=off',
        '--link-journal=no',
        `--network-namespace-path=${networkOf(this.#slot.number).path}`,
        '--capability=CAP_NET_ADMIN',
        '--boot',
      ],
      { stdio: ['ignore', console, console], env: hostEnvironment },
    )
    closeSync(console)
    this.#container = container
    try {
      this.#init = await waitFor('the machine to start its init', 30_000, async () => {
        if (container.exitCode !== null) throw new Error(`systemd-nspawn ended with ${container.exitCode}`)
        // On its way nspawn has another child for a moment.
        return container.pid ? findInit(container.pid) : undefined
      })
      await waitFor('the machine to finish booting', 90_000, async () => {
        if (container.exitCode !== null) throw new Error(`systemd-nspawn ended with ${container.exitCode}`)
        const { stdout } = await this.run('systemctl is-system-running', { timeout: 10_000 })
        return ['running', 'degraded'].includes(stdout.trim())
      })
    } catch (error) {
      const printed = await readFile(join(this.#slot.folder, 'console.log'), 'utf8').catch(() => '')
      throw new Error(`${(error as Error).message}; its console:\n${printed.slice(-3000)}`, { cause: error })
    }
  }

  /** Names of the units that failed since the machine booted. */
  async failedUnits(): Promise<string[]> {
    const list = await this.sh('systemctl list-units --state=failed --plain --no-legend --full')
    return list.split('\n').flatMap((line) => line.split(' ')[0] || [])
  }

  /** Runs a shell command as root in the machine; never throws for its exit code. */
  run(command: string, options: RunOptions = {}): Promise<Finished> {
    const { env, ...rest } = options
    const environment = Object.entries({ ...basicEnvironment, ...registryEnvironment(), ...env })
    return execute(
      'nsenter',
      ['--target', String(this.#init), '--all', '--', '/bin/sh', '-c', `cd /root && ${command}`],
      { ...rest, env: Object.fromEntries(environment) } satisfies CommandOptions,
    )
  }

  /** Runs a shell command as root and returns what it printed, trimmed; throws when it fails. */
  async sh(command: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options)
    if (code !== 0) throw new Error(`in ${this.suite}: ${command}\nended with ${code}:\n${stderr}${stdout}`)
    return stdout.trim()
  }

  /** Copies a file or folder of the host, with modes and links, to a path that is not below /run or /tmp. */
  async copyIn(from: string, to: string): Promise<void> {
    const target = join(this.tree, to)
    await mkdir(dirname(target), { recursive: true })
    await cp(from, target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  }

  /** Writes a file at a path that is not below /run or /tmp. */
  async writeFile(path: string, content: string, mode = 0o644): Promise<void> {
    const target = join(this.tree, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content, { mode })
  }

  /** Returns a file's text. */
  async readFile(path: string): Promise<string> {
    return (await this.run(`cat '${path}'`)).stdout
  }

  /** Returns the journal of the units that match a pattern, oldest first. */
  async journal(pattern: string, more = ''): Promise<JournalEntry[]> {
    const lines = await this.sh(`journalctl --output=json --all --unit='${pattern}' ${more}`)
    return lines
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }

  /** Shuts the machine down in order and boots it again, as a person would. */
  async reboot(): Promise<void> {
    const container = this.#container
    container?.kill('SIGTERM')
    const hasEnded = async () => container?.exitCode !== null || container.signalCode !== null
    await waitFor('the machine to shut down', 120_000, hasEnded)
    await this.#start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await keepPackages(this.suite, this.tree)
    await freeSlot(this.#slot)
  }
}

/** All machines watch files as one user, root; the kernel's 128 are too few for a second one to boot beside a first. */
async function allowWatches(): Promise<void> {
  const limit = '/proc/sys/fs/inotify/max_user_instances'
  if (Number(await readFile(limit, 'utf8')) < 1024) await writeFile(limit, '1024')
}
