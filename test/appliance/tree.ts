import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute, findMirror, type Mirror, must } from './host.ts'
import { cacheFolder } from './slots.ts'

export type Suite = 'bookworm' | 'trixie'

const recipe = join(import.meta.dirname, 'tree.sh')
const systemBundle = '/etc/ssl/certs/ca-certificates.crt'
const needed = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  nft: 'nftables',
  ip: 'iproute2',
}

/** Why no machine can be booted here at all, as one sentence; undefined when it can be tried. */
export function whyNotHere(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`
  if (process.getuid?.() !== 0) return 'booting a machine needs root'
  return undefined
}

async function checkPrograms(): Promise<void> {
  const missing: string[] = []
  for (const [program, debianPackage] of Object.entries(needed)) {
    const { code } = await execute('sh', ['-c', `command -v ${program}`])
    if (code !== 0) missing.push(debianPackage)
  }
  if (missing.length > 0)
    throw new Error(`the appliance test needs these Debian packages: ${missing.join(' ')}`)
}

async function requireMirror(): Promise<Mirror> {
  const mirror = await findMirror()
  if (!mirror) throw new Error('no Debian package source with the component main in /etc/apt of this host')
  return mirror
}

/** Returns the cached base tree of a suite, made on first use (30 to 40 s). */
export async function ensureTree(suite: Suite): Promise<string> {
  await checkPrograms()
  await mkdir(cacheFolder, { recursive: true })
  const hash = createHash('sha256')
    .update(await readFile(recipe))
    .digest('hex')
    .slice(0, 12)
  const tree = join(cacheFolder, `${suite}-${hash}`)
  const { packages } = await requireMirror()
  const lock = join(cacheFolder, `${suite}.lock`)
  await must('flock', [lock, recipe, suite, packages, tree], { timeout: 600_000 })
  return tree
}

/** Copies the base tree and gives the copy this host's way to packages, names and certificates. */
export async function makeTree(suite: Suite, target: string): Promise<void> {
  await must('cp', ['-a', '--reflink=auto', await ensureTree(suite), target], { timeout: 120_000 })
  await writeAptSources(suite, target)
  await copyLocalAptSettings(target)
  // The machine is thrown away: nothing is gained by waiting for the disk after each of npm's 300 packages.
  await writeFile(join(target, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n')
  await lendPackages(suite, target)
  await copyCertificates(target)
  await copyNpmSettings(target)
  await copyResolver(target)
  await writeFile(join(target, 'etc/hostname'), 'depot\n')
  await writeFile(join(target, 'etc/hosts'), '127.0.0.1 localhost\n127.0.1.1 depot\n::1 localhost\n')
}

/** Packages that earlier machines downloaded; apt compares them with the signed lists before it takes one. */
function packagesOf(suite: Suite): string {
  return join(cacheFolder, `${suite}-packages`)
}

async function lendPackages(suite: Suite, target: string): Promise<void> {
  await mkdir(packagesOf(suite), { recursive: true })
  // Links: both folders are on one file system, and nobody writes into a package.
  await must('cp', ['-al', `${packagesOf(suite)}/.`, join(target, 'var/cache/apt/archives')])
}

/** Keeps what a machine downloaded for the next one, and forgets what none has used for 30 days. */
export async function keepPackages(suite: Suite, tree: string): Promise<void> {
  const archives = join(tree, 'var/cache/apt/archives')
  const link = ['-name', '*.deb', '-exec', 'cp', '-alnt', packagesOf(suite), '{}', '+']
  await execute('find', [archives, '-maxdepth', '1', '-type', 'f', ...link])
  // Every link that is lent renews the ctime.
  await execute('find', [packagesOf(suite), '-name', '*.deb', '-ctime', '+30', '-delete'])
}

async function writeAptSources(suite: Suite, target: string): Promise<void> {
  const { packages, security } = await requireMirror()
  const block = (address: string, suites: string) =>
    `Types: deb\nURIs: ${address}\nSuites: ${suites}\nComponents: main\n` +
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
  const blocks = [block(packages, `${suite} ${suite}-updates`)]
  if (security) blocks.push(block(security, `${suite}-security`))
  await rm(join(target, 'etc/apt/sources.list'), { force: true })
  await writeFile(join(target, 'etc/apt/sources.list.d/debian.sources'), blocks.join('\n'))
}

/** Settings in apt.conf.d that no package brought are this host's own, such as a proxy. */
async function copyLocalAptSettings(target: string): Promise<void> {
  for (const name of await readdir('/etc/apt/apt.conf.d')) {
    const file = `/etc/apt/apt.conf.d/${name}`
    const { code } = await execute('dpkg', ['-S', file])
    if (code !== 0) await cp(file, join(target, file))
  }
}

async function copyCertificates(target: string): Promise<void> {
  const folder = '/usr/local/share/ca-certificates'
  await mkdir(join(target, folder), { recursive: true })
  await cp(folder, join(target, folder), { recursive: true })
  const extra = process.env.NODE_EXTRA_CA_CERTS
  if (extra && extra !== systemBundle) await cp(extra, join(target, folder, 'node-extra.crt'))
  await must('chroot', [target, '/usr/sbin/update-ca-certificates'])
}

async function copyNpmSettings(target: string): Promise<void> {
  const { code, stdout } = await execute('npm', ['config', 'get', 'globalconfig'])
  const settings = code === 0 ? await readFile(stdout.trim(), 'utf8').catch(() => '') : ''
  // Debian's npm reads its global settings here.
  if (settings) await writeFile(join(target, 'etc/npmrc'), settings)
}

async function copyResolver(target: string): Promise<void> {
  const stub = await readFile('/etc/resolv.conf', 'utf8')
  const real = /^nameserver (?!127\.|::1)/m.test(stub)
    ? stub
    : await readFile('/run/systemd/resolve/resolv.conf', 'utf8')
  await writeFile(join(target, 'etc/resolv.conf'), real)
}

/** Variables that commands in a machine need on this host to reach the package registries. */
export function registryEnvironment(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(https?|no|all)_proxy$/i.test(name) && value) found[name] = value
  }
  // The tree's bundle holds what the host's variable points to.
  if (process.env.NODE_EXTRA_CA_CERTS) found.NODE_EXTRA_CA_CERTS = systemBundle
  return found
}
