import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { until } from '../helpers/until.ts'
import { Bench } from './bash.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

/** A program of nobody's that calls itself what it likes, and writes down what it is told. Returns its port and what it heard. */
async function startThief(t: ExecutionContext, name: string) {
  const program = `import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, ${JSON.stringify(name)}.encode(), 0, 0, 0)
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    print(connection.recv(4096).decode(), flush=True)
    connection.close()`
  const thief = spawn('python3', ['-c', program], {
    uid: 65534,
    gid: 65534,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    thief.kill('SIGKILL')
    await once(thief, 'close')
  })
  let heard = ''
  thief.stdout.setEncoding('utf8').on('data', (text) => {
    heard += text
  })
  const port = Number(await until('its port', () => /^\d+(?=\n)/.exec(heard)?.[0]))
  return { port, pid: thief.pid as number, heard: () => heard }
}

const at = (port: number) => `BOT_API_URL=http://127.0.0.1:${port} UNITS=$PWD/units; rm -rf units; mkdir units
  nobody() { echo "User=nobody" >units/tgdepot-bot-api.service; }
  games() { echo "User=games" >units/tgdepot-bot-api.service; }
`

asRoot(
  'a token is told to no program of another user than the server’s, whatever its cgroup and name',
  async (t) => {
    await using bench = await Bench.open()
    // As far as ss prints names, this is the program 1, whose unit is the server's.
    for (const name of ['x",pid=1,fd=3', 'telegram-bot-ap']) {
      const { port, pid, heard } = await startThief(t, name)
      // Below the systemd of one's own a unit may have the server's name.
      const ask = `${at(port)}
      cat() { case $* in */cgroup) echo 0::/user.slice/user-1000.slice/user@1000.service/app.slice/tgdepot-bot-api.service ;; *) command cat "$@" ;; esac; }
      is_refused 123456:${'A'.repeat(35)} || true; games; is_refused 123456:${'A'.repeat(35)} || true`
      await bench.run(ask)
      t.is(heard(), `${port}\n`, `${name}, process ${pid}`)
      await bench.run(`${at(port)} nobody; is_refused 123456:${'A'.repeat(35)} || true`)
      await until('the server to be asked', () => heard().includes('/getMe'))
    }
  },
)

asRoot('the preflight finds a port that another user holds by nginx’s or by no name', async (t) => {
  await using bench = await Bench.open()
  for (const name of ['nginx', '",pid=', 'x",pid=1,fd=3']) {
    const { port } = await startThief(t, name)
    const { stdout, stderr } = await bench.run(`${at(port)} source "$SOURCE/deploy/steps/10-preflight.sh"
      check_port ${port}; printf '%s\n' "\${FAULTS[@]}"`)
    t.regex(stdout, new RegExp(`^port ${port} is taken by `), name + stderr)
    const { stdout: open } = await bench.run(
      `${at(port)} echo 'listen 127.0.0.1:${port};' >site; SITE=$PWD/site missing_sockets`,
    )
    t.is(open, `127.0.0.1:${port}\n`, name)
  }
})
