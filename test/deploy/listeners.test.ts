import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { until } from '../helpers/until.ts'
import { Bench } from './bash.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

/** Listens under a name of its choice, goes on as nobody, and prints its port and the first words of who comes. */
const server = `use IO::Socket::IP; use POSIX; $| = 1; my ($host, $port, $name) = @ARGV; $0 = $name;
  my $server = IO::Socket::IP->new(LocalHost => $host, LocalPort => $port, Listen => 9, ReuseAddr => 1) or die "$@";
  POSIX::setgid(65534); POSIX::setuid(65534); print $server->sockport, "\\n";
  while (my $visitor = $server->accept) { print $visitor "hello\\n"; sysread $visitor, my $words, 4096; print $words; close $visitor }`
const asThief = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

async function startThief(t: ExecutionContext, name: string) {
  const [program = '', ...args] = [...asThief, 'perl', '-e', server, '127.0.0.1', '0', name]
  const thief = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    thief.kill('SIGKILL')
    await once(thief, 'close')
  })
  let heard = ''
  thief.stdout.setEncoding('utf8').on('data', (text) => {
    heard += text
  })
  const port = Number(await until('its port', () => /^\d+(?=\n)/.exec(heard)?.[0]))
  return { port, heard: () => heard }
}

const at = (port: number) => `BOT_API_URL=http://127.0.0.1:${port} UNITS=$PWD/units; rm -rf units; mkdir units
  unit_of() { echo "User=$1" >units/tgdepot-bot-api.service; }
`
const token = `123456:${'A'.repeat(35)}`

asRoot(
  'a token is told to no program of another user than the server’s, whatever its cgroup and name',
  async (t) => {
    await using bench = await Bench.open()
    // As far as ss prints names, the first is the process 1.
    for (const name of ['x",pid=1,fd=3', 'telegram-bot-ap']) {
      const { port, heard } = await startThief(t, name)
      // Below the systemd of one's own a unit may have the server's name.
      await bench.run(`${at(port)}
        cat() { case $* in */cgroup) echo 0::/user.slice/user-1000.slice/user@1000.service/app.slice/tgdepot-bot-api.service ;; *) command cat "$@" ;; esac; }
        is_refused ${token} || true; unit_of games; is_refused ${token} || true`)
      t.is(heard(), `${port}\n`, name)
      await bench.run(`${at(port)} unit_of nobody; is_refused ${token} || true`)
      await until('the server to be asked', () => heard().includes('/getMe'))
    }
  },
)

asRoot('the preflight finds a port that another user holds by nginx’s or by no name', async (t) => {
  await using bench = await Bench.open()
  for (const name of ['nginx', '",pid=', 'x",pid=1,fd=3']) {
    const { port } = await startThief(t, name)
    const { stdout, stderr } = await bench.run(`${at(port)}
      check_port ${port}; printf '%s\n' "\${FAULTS[@]}"`)
    t.regex(stdout, new RegExp(`^port ${port} is taken by `), name + stderr)
    const { stdout: open } = await bench.run(
      `${at(port)} echo 'listen 127.0.0.1:${port};' >site; SITE=$PWD/site missing_sockets`,
    )
    t.is(open, `127.0.0.1:${port}\n`, name)
  }
})

asRoot(
  'behind another proxy only what root has opened is reached where nginx listens, whoever holds the port',
  async (t) => {
    await using bench = await Bench.open()
    for (const [listen, host] of [
      ['8080', '127.0.0.1'],
      ['127.0.0.1:8080', '127.0.0.1'],
      ['[::1]:8080', '::1'],
    ] as const) {
      const { stdout, stderr } = await bench.run(`
        [[ -v INNER ]] || exec env INNER=1 unshare --net bash -c "$BASH_EXECUTION_STRING"
        ip link set lo up; id() { command id -u games; }
        ANSWERS=([TGDEPOT_TLS]=none [TGDEPOT_LISTEN]='${listen}' [TGDEPOT_BOT_API_EGRESS]='')
        fill_fence "$SOURCE/deploy/firewall.nft" | /usr/sbin/nft -f -
        serve() { "\${@:2}" perl -e '${server}' ${host} "$1" x >/dev/null & servers+=($!); until ss -Hltn "sport = :$1" | grep -q .; do sleep 0.05; done; }
        stop() { kill "\${servers[@]}"; wait "\${servers[@]}" || true; servers=(); }
        ask() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"; read -r words <&3; echo "$words"' ${host} "$1" || echo shut; }
        serve 8080; ask 8080; stop; serve 8080 ${asThief.join(' ')}; serve 8079 ${asThief.join(' ')}; ask 8080; ask 8079; stop`)
      t.is(stdout, 'hello\nshut\nhello\n', `${listen} ${stderr}`)
    }
  },
)
