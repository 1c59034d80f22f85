import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findPorts } from '../bot-api/fresh.ts'
import { startNginx } from '../helpers/nginx.ts'
import type { App, Published } from './app.ts'
import { until } from './programs.ts'

/** The project's nginx in front of the web role, which also serves the store's files by itself on another port. */
export interface Front extends AsyncDisposable {
  /** Through the app's decision. */
  link(file: Published): string
  /** The same file from the same nginx, without asking anybody. */
  plainFile(file: Published): string
  /** Replaces nginx's workers, once they have nothing to do. */
  renewWorkers(): Promise<void>
}

/** Starts nginx in `folder`; with `tls`, everything over TLS. */
export async function startFront(folder: string, app: App, { tls }: { tls: boolean }): Promise<Front> {
  const { http: port, control: staticPort } = await findPorts()
  const { store, socket } = app
  const scheme = tls ? 'https' : 'http'
  const nginx = await startNginx({
    folder,
    port,
    socket,
    store,
    tls,
    extra: staticServer(folder, staticPort, store, tls),
  })
  return {
    link: ({ uuid }) => `${scheme}://127.0.0.1:${port}/download/${uuid}`,
    plainFile: ({ uuid }) => `${scheme}://127.0.0.1:${staticPort}/${uuid.slice(0, 2)}/${uuid}`,
    async renewWorkers() {
      const before = workersOf(nginx.pid)
      process.kill(nginx.pid, 'SIGHUP')
      await until('nginx has new workers', () => workersOf(nginx.pid).every((pid) => !before.includes(pid)))
    },
    [Symbol.asyncDispose]: () => nginx[Symbol.asyncDispose](),
  }
}

/** The processes of nginx that serve; those on their way out included. */
function workersOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

/**
 * Logs as the project does, so that the decision is the only difference; sends as quickly as nginx can. With tcp_nopush
 * the end of each range on a kept connection would wait for the delayed ACK of the client.
 */
function staticServer(folder: string, port: number, store: string, tls: boolean): string {
  const certificate = `
    ssl_certificate ${join(folder, 'cert.pem')};
    ssl_certificate_key ${join(folder, 'key.pem')};
    include ${join(folder, 'snippets/tls.conf')};`
  return `server {
    listen 127.0.0.1:${port}${tls ? ' ssl http2' : ''};${tls ? certificate : ''}
    server_tokens off;
    set $tgdepot_hsts "";
    access_log ${join(folder, 'tgdepot.access.log')} tgdepot buffer=32k flush=1s;
    limit_conn tgdepot_visitor 128;
    location / {
      alias ${store}/;
      include ${join(folder, 'snippets/headers.conf')};
      sendfile on;
      tcp_nopush off;
      sendfile_max_chunk 2m;
      max_ranges 32;
    }
  }`
}
