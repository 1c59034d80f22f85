import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const source = join(import.meta.dirname, '../../nginx')

export interface NginxOptions {
  /** Where its files go; the caller removes it. */
  folder: string
  /** Address and port to listen on. */
  host?: string
  port: number
  /** The web role's socket. */
  socket: string
  /** STORAGE_PATH of the app. */
  store: string
  /** With a self-signed certificate for `localhost`, `folder/cert.pem`. */
  tls?: boolean
  /** Bytes that the kernel takes for each connection; without it as much as it likes. */
  sendBuffer?: number | undefined
  /** Further lines for the http block. */
  extra?: string
  /** worker_connections; by default as many as the installer provides for. */
  connections?: number
}

/** Debian keeps it where a user's PATH may not look. */
export const nginxProgram = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))

/** Writes the project's own nginx files with the places of `options` filled in; returns the main file's path. */
export async function writeNginxFiles(options: NginxOptions): Promise<string> {
  const { folder, host = '127.0.0.1', port, socket, store, tls = false, extra = '', sendBuffer } = options
  const listen = sendBuffer === undefined ? `${host}:${port}` : `${host}:${port} sndbuf=${sendBuffer}`
  const snippets = join(folder, 'snippets')
  await mkdir(folder, { recursive: true })
  await cp(join(source, 'snippets'), snippets, { recursive: true })
  const fill = (text: string) =>
    text
      .replaceAll('/etc/nginx/tgdepot/', `${snippets}/`)
      .replaceAll('/run/tgdepot/web.sock', socket)
      .replaceAll('/var/lib/tgdepot/store', store)
      .replaceAll('/var/log/tgdepot/', `${folder}/`)
      .replaceAll('@DOMAIN@', 'localhost')
      .replaceAll('@LISTEN@', listen)
      .replaceAll('@CERT@', join(folder, 'cert.pem'))
      .replaceAll('@KEY@', join(folder, 'key.pem'))
      .replaceAll('@HTTP2_LISTEN@', ' http2')
      .replaceAll('@HTTP2@', '')
      .replace(/^ *listen \[::\].*$/gm, '')
      .replace(/listen 443\b/g, `listen ${listen}`)
  for (const name of await readdir(snippets)) {
    const path = join(snippets, name)
    await writeFile(path, fill(await readFile(path, 'utf8')))
  }
  const parts = await Promise.all(
    ['http', tls ? 'tls' : 'plain'].map((name) => readFile(join(source, `${name}.conf`), 'utf8')),
  )
  if (tls) makeCertificate(folder)
  const main = join(folder, 'nginx.conf')
  const connections = options.connections ?? (await installedConnections())
  const limits = (await readFile(join(source, 'limits.conf'), 'utf8')).replace('@FILES@', await files())
  const events = `${limits}events { worker_connections ${connections}; }\n`
  await writeFile(
    main,
    `${head(folder)}${events}http {\n${temporary(folder)}${fill(parts.join('\n'))}\n${extra}\n}\n`,
  )
  return main
}

/** Starts nginx with the project's files in front of the web role's socket. */
export async function startNginx(options: NginxOptions): Promise<AsyncDisposable & { pid: number }> {
  if (nginxProgram === undefined) throw new Error('nginx is not installed')
  const main = await writeNginxFiles(options)
  const nginx = spawn(nginxProgram, ['-e', 'stderr', '-c', main, '-g', 'daemon off;'], { stdio: 'inherit' })
  const ended = once(nginx, 'exit')
  await listening(options.host ?? '127.0.0.1', options.port)
  return {
    pid: nginx.pid ?? 0,
    async [Symbol.asyncDispose]() {
      nginx.kill('SIGTERM')
      await ended
    },
  }
}

/** As the installer chooses. */
async function files(): Promise<string> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  return String(Math.min(65_536, Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? 65_536)))
}

async function installedConnections(): Promise<number> {
  const installer = await readFile(join(source, '../deploy/nginx/workers.sh'), 'utf8')
  return Number(/^WORKER_CONNECTIONS=(\d+)$/m.exec(installer)?.[1])
}

function head(folder: string): string {
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `${user}worker_processes auto;\npid ${folder}/nginx.pid;\n`
}

function temporary(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return kinds.map((kind) => `${kind}_temp_path ${folder}/tmp-${kind};\n`).join('')
}

function makeCertificate(folder: string): void {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...files], { stdio: 'ignore' })
}

async function listening(host: string, port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, host)
    const connected = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (connected) return
    await delay(25)
  }
  throw new Error(`nginx does not listen on ${host}:${port}`)
}
