import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'

/** What a finished command left behind; `code` is null when a signal (or the time limit) ended it. */
export type Finished = { code: number | null; stdout: string; stderr: string }

export type CommandOptions = {
  /** Milliseconds until the command is killed. Default: 60 000. */
  timeout?: number
  /** Written to the command's standard input, which is closed after it. */
  input?: string | Buffer
  env?: NodeJS.ProcessEnv
  cwd?: string
}

/** The system's own programs first: packages in node_modules/.bin bear names such as `nft`, too. */
export const hostEnvironment = { ...process.env, PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH}` }

/** Runs a program of the host to its end and returns its output; never throws for an exit code. */
export function execute(file: string, args: string[], options: CommandOptions = {}): Promise<Finished> {
  const { timeout = 60_000, input, env, cwd } = options
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: env ?? hostEnvironment, cwd })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A command that ends without reading all of its input is its own affair; its exit code tells.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const timer = setTimeout(() => {
      err.push(Buffer.from(`\n(killed after ${timeout / 1000} s)\n`))
      child.kill('SIGKILL')
      // Grandchildren may hold the pipes open for ever.
      child.stdout.destroy()
      child.stderr.destroy()
    }, timeout)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    })
  })
}

/** Like `execute`, but returns the standard output and throws when the program fails. */
export async function must(file: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await execute(file, args, options)
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`)
  return stdout
}

/** Asks every 200 ms (or `every` ms) until the answer is truthy; throws with `what` after `limit` ms. */
export async function waitFor<T>(
  what: string,
  limit: number,
  ask: () => Promise<T | undefined | null | false | '' | 0>,
  every = 200,
): Promise<T> {
  const deadline = Date.now() + limit
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited ${limit / 1000} s in vain: ${what}`)
    await new Promise((wake) => setTimeout(wake, every))
  }
}

/** Runs `action` while holding an exclusive lock on a file; the lock falls with this process. */
export async function withLock<T>(file: string, action: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  try {
    return await action()
  } finally {
    holder.stdin.end()
    await once(holder, 'close')
  }
}

/** The child of a process that is number 1 in a process namespace of its own; undefined as long as there is none. */
export async function findInit(parent: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '')
  for (const pid of children.split(' ').filter(Boolean)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    if (/^NSpid:.*\t1$/m.test(status)) return Number(pid)
  }
  return undefined
}

/** Start time of a process in clock ticks since boot; with the pid it names one process for ever. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

type Source = { address: string; suites: string[]; components: string[] }

async function readSources(): Promise<Source[]> {
  const files = ['/etc/apt/sources.list']
  for (const name of await readdir('/etc/apt/sources.list.d').catch(() => [])) {
    files.push(`/etc/apt/sources.list.d/${name}`)
  }
  const found: Source[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (file.endsWith('.sources')) found.push(...parseDeb822(text))
    else if (file.endsWith('.list')) found.push(...parseOneLine(text))
  }
  return found
}

function parseOneLine(text: string): Source[] {
  return [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)].map((line) => ({
    address: line[1] as string,
    suites: [line[2] as string],
    components: (line[3] as string).trim().split(/\s+/),
  }))
}

function parseDeb822(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((block) => {
    const field = (name: string) =>
      (new RegExp(`^${name}:(.*)$`, 'im').exec(block)?.[1] ?? '').trim().split(/\s+/).filter(Boolean)
    const isBinary = field('Types').includes('deb') && !/^Enabled:\s*no/im.test(block)
    return isBinary
      ? field('URIs').map((address) => ({
          address,
          suites: field('Suites'),
          components: field('Components'),
        }))
      : []
  })
}

/** Where this host gets Debian from: package mirror and, where it has one, the security mirror. */
export type Mirror = { packages: string; security: string | undefined }

/** Reads the host's apt sources; undefined when the host gets no Debian release from any of them. */
export async function findMirror(): Promise<Mirror | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (!/^ID=debian$/m.test(release)) return undefined
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1]
  const sources = (await readSources()).filter((source) => source.components.includes('main'))
  const packages = sources.find((source) => source.suites.some((suite) => suite === codename))?.address
  const security = sources.find((source) => source.suites.includes(`${codename}-security`))?.address
  return packages ? { packages, security } : undefined
}
