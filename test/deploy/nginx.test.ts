import { existsSync } from 'node:fs'
import { readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'

/** As Debian and Ubuntu ship it, shortened. */
const debian = `user www-data;
worker_processes auto;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {\t
\t# worker_connections 1;
}`

async function openWith(conf: string): Promise<Bench & { conf(): Promise<string> }> {
  const bench = await Bench.open()
  await bench.fake('nginx', 'exit 0')
  await writeFile(join(bench.dir, 'nginx.conf'), conf)
  return Object.assign(bench, { conf: () => readFile(join(bench.dir, 'nginx.conf'), 'utf8') })
}

const raise = 'raise_limits "$SOURCE"; echo "$CHANGED"'

test('one number of nginx.conf is raised, once, and put back to the byte', async (t) => {
  await using bench = await openWith(debian)
  t.like(await bench.run(raise), { status: 0, stdout: '1\n' })
  const raised = await bench.conf()
  t.is(raised, debian.replace('768;', '16384; # tgdepot: was 768'))
  t.regex(
    await readFile(join(bench.dir, 'modules-enabled/90-tgdepot.conf'), 'utf8'),
    /^worker_rlimit_nofile \d{5};$/m,
  )
  t.is((await bench.run(raise)).stdout, '0\n')
  t.is(await bench.conf(), raised)
  await bench.run('restore_limits')
  t.is(await bench.conf(), debian)
  await t.throwsAsync(stat(join(bench.dir, 'modules-enabled/90-tgdepot.conf')))
  await bench.run('restore_limits')
  t.is(await bench.conf(), debian)
})

test('a number that is high enough, or that the owner has changed since, stays', async (t) => {
  const own = debian.replace('768;', '20000; # mine')
  await using bench = await openWith(own)
  t.is((await bench.run(raise)).stdout, '1\n', 'the limit of files is new')
  t.is(await bench.conf(), own)
  const changed = debian.replace('768;', '30000; # tgdepot: was 768')
  await writeFile(join(bench.dir, 'nginx.conf'), changed)
  await bench.run('restore_limits')
  t.is(await bench.conf(), changed)
})

test('a worker gets as many files as root may give it here', async (t) => {
  await using bench = await openWith(debian)
  const { stdout } = await bench.run(
    '(ulimit() { [[ $# == 1 ]] && echo 20000; }; choose_files); choose_files',
  )
  const [bounded, here] = stdout.trim().split('\n').map(Number)
  t.is(bounded, 20_000)
  t.true((here ?? 0) > 1024 && (here ?? 0) <= 65_536)
})

test('an owner’s limit of files is not set twice', async (t) => {
  await using bench = await openWith(`worker_rlimit_nofile 100000;\n${debian}`)
  t.is((await bench.run(raise)).stdout, '1\n')
  await t.throwsAsync(stat(join(bench.dir, 'modules-enabled/90-tgdepot.conf')))
})

/** Prints what it reads, and refuses to be told twice, as the real one does. */
const nginxReading = (...files: string[]) => `
  text=$(for file in ${files.join(' ')}; do
    [ ! -f "$file" ] || { echo "# configuration file $PWD/$file:"; cat "$file"; echo; }
  done)
  [ "$(grep -c '^worker_rlimit_nofile' <<<"$text")" -lt 2 ] || exit 1
  [ "$1" != -T ] || echo "$text"`

test('an owner’s limit of files in another file than nginx.conf counts too, and stops nothing', async (t) => {
  await using bench = await openWith(debian)
  await writeFile(join(bench.dir, 'more.conf'), 'worker_rlimit_nofile 100000;\n')
  await bench.fake('nginx', nginxReading('nginx.conf', 'more.conf', 'modules-enabled/90-tgdepot.conf'))
  t.like(await bench.run(raise), { stdout: '1\n', stderr: '' })
  t.is(await bench.conf(), debian.replace('768;', '16384; # tgdepot: was 768'))
  await t.throwsAsync(stat(join(bench.dir, 'modules-enabled/90-tgdepot.conf')))
  t.like(await bench.run(raise), { stdout: '0\n', stderr: '' })
})

test('where nginx does not read the file with its limit of files, the owner is told what to write', async (t) => {
  await using bench = await openWith(debian)
  await bench.fake('nginx', nginxReading('nginx.conf'))
  for (const _ of ['the first run', 'the next one']) {
    t.regex((await bench.run(raise)).stderr, /does not read .*write 'worker_rlimit_nofile 65536;' into/)
  }
  await bench.fake('nginx', nginxReading('nginx.conf', 'modules-enabled/90-tgdepot.conf'))
  t.is((await bench.run(raise)).stderr, '')
  t.is((await bench.run(raise)).stderr, '')
})

test('an nginx.conf that is a link stays one, and one in a single line is understood', async (t) => {
  await using bench = await openWith('')
  await writeFile(join(bench.dir, 'real.conf'), 'events { worker_connections 512; multi_accept on; }\n')
  await bench.run('rm nginx.conf')
  await symlink('real.conf', join(bench.dir, 'nginx.conf'))
  await bench.run(raise)
  const real = await readFile(join(bench.dir, 'real.conf'), 'utf8')
  t.is(real, 'events { worker_connections 16384; multi_accept on; } # tgdepot: was 512\n')
})

test('what nginx refuses is taken back, and said', async (t) => {
  await using bench = await openWith(debian)
  await bench.fake('nginx', 'exit 1')
  const { status, stdout, stderr } = await bench.run(raise)
  t.is(status, 0)
  t.is(stdout, '0\n')
  t.regex(stderr, /goes on with 768/)
  t.is(await bench.conf(), debian)
})

test('nginx is told of a number that changed', async (t) => {
  await using bench = await openWith(debian)
  const { stdout } = await bench.run(`
    ANSWERS=([TGDEPOT_TLS]=acme); SITE=site SNIPPETS=snippets CERTIFICATE=c CERTIFICATE_KEY=k
    nginx_digest; raise_limits "$SOURCE"; nginx_digest`)
  const [before, after] = stdout.trim().split('\n')
  t.not(before, after)
})

const part = 'part_workers; echo "$CHANGED"'
const named = 'getent() { echo "$2:x:33:www-data"; }; '

test('nginx’s workers get a group of their own by the line that names their user, which is put back to the byte', async (t) => {
  for (const line of ['user www-data;', '  user  www-data www-data; # as ever']) {
    await using bench = await openWith(debian.replace('user www-data;', line))
    const { stdout } = await bench.run(`${named}${part}; ${part}`)
    t.is(stdout, '1\n1\n')
    t.regex(await bench.conf(), /^ *user www-data tgdepot-files;.* # tgdepot: was user.*;$/m)
    t.is((await bench.run(`${named}${part}`)).stdout, '0\n')
    await bench.run('join_workers')
    t.is(await bench.conf(), debian.replace('user www-data;', line))
  }
})

test('the workers’ group leaves nginx.conf with the uninstallation, whatever became of the note beside it', async (t) => {
  for (const line of [
    'user www-data tgdepot-files;',
    '\tuser www-data  tgdepot-files ; # tgdepot: was user www-data; and mine',
  ]) {
    await using bench = await openWith(debian.replace('user www-data;', line))
    await bench.run('join_workers')
    t.notRegex(await bench.conf(), /tgdepot-files/)
    t.regex(await bench.conf(), /^\s*user www-data;/m)
  }
})

test('workers whom no plain line names keep their group, and the owner is told who else has it', async (t) => {
  for (const line of ['include user.conf;', 'user www-data adm;', '#user www-data;']) {
    await using bench = await openWith(debian.replace('user www-data;', line))
    const { status, stdout, stderr } = await bench.run(`${named}${part}`)
    t.is(status, 0, stderr)
    t.is(stdout, '0\n')
    t.regex(stderr, /no line 'user www-data;'.*whatever else runs as www-data/)
    t.is(await bench.conf(), debian.replace('user www-data;', line))
  }
})

test('www-data is put into its own group’s line before nginx asks for it there, and is taken out again', async (t) => {
  await using bench = await openWith(debian)
  await bench.fake('gpasswd', 'echo "$*" >>gpasswd.calls')
  await bench.run(`getent() { echo "$2:x:33:"; }; ${part}; join_workers`)
  t.is(
    await readFile(join(bench.dir, 'gpasswd.calls'), 'utf8'),
    '--add www-data www-data\n--delete www-data www-data\n',
  )
})

test('www-data leaves the workers’ group once they have it by nginx.conf, and comes back where they cannot', async (t) => {
  const calls = async (conf: string, members: string) => {
    await using bench = await openWith(conf)
    await bench.fake('gpasswd', 'echo "$*" >>calls')
    await bench.fake('systemctl', 'true')
    const { stdout } = await bench.run(
      `getent() { echo "$2:x:990:${members}"; }; settle_workers; cat calls 2>/dev/null || true`,
    )
    return stdout
  }
  const apart = debian.replace('user www-data;', 'user www-data tgdepot-files; # tgdepot: was user www-data;')
  t.is(await calls(apart, 'tgdepot,www-data'), '--delete www-data tgdepot-files\n')
  t.is(await calls(apart, 'tgdepot'), '')
  t.is(await calls(debian, 'tgdepot'), '--add www-data tgdepot-files\n')
  t.is(await calls(debian, 'tgdepot,www-data'), '')
})

const site = (more: string) => `${more}
  nginx_version() { echo "$VERSION"; }; has_ipv6() { true; }; SITE=/etc/nginx/sites-enabled/tgdepot.conf
  ANSWERS=([TGDEPOT_DOMAIN]=a.example [TGDEPOT_LISTEN]=''); choose_certificate acme
  fill_site "$SOURCE" unknown-plain unknown-tls redirect tls`
const listens = (text: string) =>
  [...text.matchAll(/^ *listen (.*default_server);/gm)].map(([, listen]) => listen)

test('whoever names no site of nginx gets no answer, and no certificate', async (t) => {
  await using bench = await openWith(debian)
  const { stdout } = await bench.run(site('VERSION=1.26.3'))
  t.deepEqual(listens(stdout), [
    '80 default_server',
    '[::]:80 default_server',
    '443 ssl default_server',
    '[::]:443 ssl default_server',
  ])
  t.is(stdout.match(/return 444;/g)?.length, 2)
  t.is(stdout.match(/ssl_reject_handshake on;/g)?.length, 1)
  t.notRegex(stdout, /@[A-Z0-9_]+@/)
})

test('an nginx that cannot refuse a handshake ends it with a certificate that names nobody', async (t) => {
  await using bench = await openWith(debian)
  const { stdout } = await bench.run(`${site('VERSION=1.18.0')}
    NAMELESS=$PWD/nameless; make_nameless >&2; openssl x509 -in nameless.pem -noout -subject -ext subjectAltName 2>&1`)
  t.notRegex(stdout, /ssl_reject_handshake/)
  t.regex(stdout, /ssl_certificate \S+nameless\.pem; ssl_certificate_key \S+nameless\.key;/)
  t.regex(stdout, /^subject= ?$/m)
  t.notRegex(stdout, /DNS:/)
})

test('a port that is another site’s by default stays so', async (t) => {
  await using bench = await openWith(debian)
  const others = (file: string, ...lines: string[]) =>
    `cat <<'END'\n# configuration file /etc/nginx/${file}:\nserver {\n${lines.join('\n')}\n}\nEND`
  const own = '# configuration file /etc/nginx/sites-enabled/tgdepot.conf:\nlisten 443 ssl default_server;'
  await bench.fake(
    'nginx',
    `${others('sites-enabled/zzz', 'listen *:80 default_server;', 'listen [::]:80;')}\necho '${own}'`,
  )
  t.deepEqual(listens((await bench.run(site('VERSION=1.22.1'))).stdout), [
    '[::]:80 default_server',
    '443 ssl http2 default_server',
    '[::]:443 ssl http2 default_server',
  ])
  // The first that nginx reads is it without a word.
  await bench.fake(
    'nginx',
    others(
      'conf.d/first.conf',
      'listen 443 ssl;',
      'listen [::]:443 ssl;',
      'listen 10.0.0.1:80 default_server;',
    ),
  )
  const { stdout } = await bench.run(site('VERSION=1.22.1'))
  t.deepEqual(listens(stdout), ['80 default_server', '[::]:80 default_server'])
  t.is(stdout.match(/return 444;/g)?.length, 1)
})

test('another site’s port is seen in a server of one line, too', async (t) => {
  await using bench = await openWith(debian)
  await bench.fake(
    'nginx',
    `cat <<'END'
# configuration file /etc/nginx/sites-enabled/zzz:
server { listen 80 default_server; listen [::]:443 ssl default_server; return 444; } # listen 443 default_server;
END`,
  )
  t.deepEqual(listens((await bench.run(site('VERSION=1.26.3'))).stdout), [
    '[::]:80 default_server',
    '443 ssl default_server',
  ])
})

test('another site that has an address for itself is named before anything is changed', async (t) => {
  await using bench = await openWith(debian)
  const look = async (listen: string, named = '203.0.113.5') => {
    await bench.fake('getent', `echo "${named} STREAM files.example.org"`)
    await bench.fake(
      'nginx',
      `printf '%s\\n' '# configuration file /etc/nginx/conf.d/x.conf:' 'user www-data; server { listen ${listen}; }' \
        'include /etc/nginx/sites-enabled/*;'`,
    )
    const { status, stdout, stderr } = await bench.run(
      `SITE=/etc/nginx/sites-enabled/tgdepot.conf; ANSWERS=([TGDEPOT_DOMAIN]=files.example.org [TGDEPOT_TLS]=acme)
      check_nginx; printf '%s\n' "\${FAULTS[@]}"`,
    )
    t.is(status, 0, stderr)
    return { stdout: stdout.trim(), stderr }
  }
  for (const all of [
    '80',
    '*:80',
    '0.0.0.0:443 ssl',
    '[::]:80',
    '127.0.0.1:80',
    'unix:/run/x',
    '203.0.113.5:8080',
  ]) {
    t.deepEqual(await look(all), { stdout: '', stderr: '' }, all)
  }
  t.regex(
    (await look('203.0.113.5:443 ssl')).stdout,
    /^nginx has another site that listens on 203\.0\.113\.5:443/,
  )
  t.regex((await look('203.0.113.5')).stdout, /listens on 203\.0\.113\.5:80 .*let it listen on 80$/)
  t.regex((await look('[2001:db8::5]:80', '2001:db8::5')).stdout, /listens on \[2001:db8::5\]:80/)
  const elsewhere = await look('203.0.113.9:80')
  t.is(elsewhere.stdout, '')
  t.regex(elsewhere.stderr, /^note +nginx has another site that listens on 203\.0\.113\.9:80/)
})

const withNginx = existsSync('/usr/sbin/nginx') ? test : test.skip

/** An nginx that runs with a zone, and afterwards finds `files` in its place. */
const running = (files: string) => `
  write() { { echo "worker_processes 1; pid $PWD/pid; error_log $PWD/errors notice; events {} http { access_log off;"
    for name in client_body proxy fastcgi uwsgi scgi; do echo "\${name}_temp_path $PWD/temp\${name};"; done
    echo "$1 server { listen unix:$PWD/nginx.sock; $2 } }"; } >conf; }
  write 'limit_conn_zone $binary_remote_addr zone=tgdepot_address:10m;' 'limit_conn tgdepot_address 128;'
  /usr/sbin/nginx -e "$PWD/errors" -c "$PWD/conf"; trap 'kill "$(<pid)"' EXIT; RELOAD_PATIENCE=2
  systemctl() { if [[ $1 == show ]]; then cat pid; else /usr/sbin/nginx -e "$PWD/errors" -c "$PWD/conf" -s reload; fi; }
  until [[ -n $(nginx_workers) ]]; do sleep 0.05; done
  ${files}
  reload_nginx; echo taken`

withNginx('an nginx that runs with the zones of an older release takes the present ones', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(
    running(
      `write "$(sed 's|/run/tgdepot/web.sock|/none|' "$SOURCE/nginx/http.conf")" "$(grep '^limit_conn tgdepot' "$SOURCE/nginx/snippets/server.conf")"`,
    ),
  )
  t.is(stdout, 'taken\n', stderr)
})

withNginx(
  'an nginx that goes on with its old files, although it finds no fault in the new ones, is no success',
  async (t) => {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(
      running(
        `write 'limit_conn_zone $remote_addr zone=tgdepot_address:10m;' 'limit_conn tgdepot_address 1;'
       /usr/sbin/nginx -q -t -e "$PWD/errors" -c "$PWD/conf"`,
      ),
    )
    t.is(stdout, '', stderr)
    t.is(status, 1)
    t.regex(stderr, /nginx goes on with its old files/)
  },
)
