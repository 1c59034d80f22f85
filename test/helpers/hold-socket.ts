// Plays systemd: holds a listening socket and starts a program on it again whenever it has ended.
// node hold-socket.ts <path of the socket> <program> [argument …]
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'

const [path = '', ...program] = process.argv.slice(2)
const server = createServer().listen({ path, backlog: 4096 })
const { fd } = (server as unknown as { _handle: { fd: number } })._handle
// The event loop never turns, so that nobody is accepted here.
for (;;) {
  // sd_listen_fds(3): the number must be that of the process that the program becomes.
  const command = ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', ...program]
  spawnSync('/bin/sh', command, { stdio: ['ignore', 'inherit', 'inherit', fd] })
}
