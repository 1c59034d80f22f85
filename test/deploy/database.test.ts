import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'
import { Terminal } from './terminal.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

const password = 'Gr3en-House'
const withPassword = `postgres://depot:${password}@127.0.0.1:5433/links?sslmode=require`
const local = (bench: Bench) => `postgres:///tgdepot?host=${bench.dir}/run`

/** Reads answers as a run does, on a machine on which only the units' folder and the roles' names are looked at. */
const settle = (flags: string) => `UNITS=$PWD/units; mkdir -p units; can_ask() { false; }
  read_arguments --yes --domain a.example --tls self-signed --users everyone ${flags}; collect_answers; ask_missing
  `
const faults = `check_answers; check_database; printf '%s\\n' "\${FAULTS[@]}" | grep -E 'database|DATABASE' || true`
const secrets = `for name in TELEGRAM_BOT_TOKEN ADMIN_TOKEN; do echo kept >"$SECRETS/$name"; done
  `
const readAll = (bench: Bench, ...names: string[]) =>
  Promise.all(names.map((name) => readFile(join(bench.dir, name), 'utf8').catch(() => '')))

test('without a word the database is SQLite, and the roles get nothing besides', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(
    `${settle('')}${secrets}${faults}; install_settings; grep DATABASE_URL "$ETC/tgdepot.env"; find units etc/secrets -type f | sort`,
  )
  t.regex(
    stdout,
    /^DATABASE_URL=sqlite:\S+\/db\/tgdepot\.sqlite\netc\/secrets\/ADMIN_TOKEN\netc\/secrets\/TELEGRAM_BOT_TOKEN\n$/,
    stderr,
  )
})

test('a password on the command line is refused, and not shown', async (t) => {
  await using bench = await Bench.open()
  for (const url of [withPassword, 'postgres://u:p@ss@h/db', 'postgres://h/db?user=u&password=x'])
    for (const flag of [`--database '${url}'`, `'--database=${url}'`]) {
      const { status, stdout, stderr } = await bench.run(settle(flag))
      t.is(status, 1)
      t.regex(
        stderr,
        /--database: (a password on the command line shows in ps: give the URL by --database-file|its value comes)/,
      )
      t.notRegex(stdout + stderr, /Gr3en|p@ss|password=x/)
    }
})

test('a URL with a password comes from a file, standard input, the environment or the answers, and is root’s alone', async (t) => {
  const ways: [string, string, Record<string, string>][] = [
    ['--database-file url', '', {}],
    ['--database-file /dev/stdin', '< url', {}],
    ['', '', { TGDEPOT_DATABASE: withPassword }],
    ['--answers answered', '', {}],
  ]
  for (const [flags, input, env] of ways) {
    await using bench = await Bench.open()
    await writeFile(join(bench.dir, 'url'), `${withPassword}\n`)
    await writeFile(join(bench.dir, 'answered'), `TGDEPOT_DATABASE=${withPassword}\n`)
    const script = `{ ${settle(flags)} } ${input}
      ${secrets}env; install_settings; declare -p ANSWERS GIVEN; stat -c '%a' "$SECRETS/DATABASE_URL"; cat log units/*/*`
    const { status, stdout, stderr } = await bench.run(script, env)
    t.is(status, 0, stderr)
    t.false((stdout + stderr).includes(password), stdout)
    t.regex(stdout, /^600$/m)
    const [secret, answers, settings] = await readAll(
      bench,
      'etc/secrets/DATABASE_URL',
      'etc/answers',
      'etc/tgdepot.env',
    )
    t.is(secret, withPassword)
    t.regex(answers ?? '', /^TGDEPOT_DATABASE=postgres:\/\/depot@127\.0\.0\.1:5433\/links\?sslmode=require$/m)
    t.notRegex(settings ?? '', /^DATABASE_URL/m)
  }
})

test('the next run keeps the password of the same database, and not for another one', async (t) => {
  await using bench = await Bench.open()
  await bench.run(`${settle('')}${secrets}install_settings`, { TGDEPOT_DATABASE: withPassword })
  const again = (flags: string) =>
    bench.run(`${settle(flags)}${secrets}install_settings; cat "$SECRETS/DATABASE_URL"`)
  t.is((await again('')).stdout, withPassword)
  t.is(
    (await again("--database 'postgres://depot@127.0.0.1:5433/links?sslmode=require'")).stdout,
    withPassword,
  )
  t.is(
    (await again('--database postgres://depot@127.0.0.1:5433/other')).stdout,
    'postgres://depot@127.0.0.1:5433/other',
  )
})

test('the password of a PostgreSQL on the network is asked for, unseen, and written as a URL takes it', async (t) => {
  await using bench = await Bench.open()
  const script = `echo TGDEPOT_DOMAIN=a.example >"$ETC/answers"
    ANSWERS[TGDEPOT_DATABASE]=postgres://depot@127.0.0.1/links; ask_database_password; database_url >asked; exit`
  await using terminal = await Terminal.open(bench, script)
  await terminal.answer(/Password of depot at the PostgreSQL of 127\.0\.0\.1 .*: $/, 'a:b/c@d é')
  t.is(await terminal.ended(), 0, terminal.shown)
  t.notRegex(terminal.shown, /a:b/)
  t.deepEqual(await readAll(bench, 'asked'), ['postgres://depot:a%3Ab%2Fc%40d%20%C3%A9@127.0.0.1/links'])
})

test('what is wrong with a URL is one sentence, without the URL', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('getent', '[[ $* != *" db.lan" ]] || echo "10.0.0.7 STREAM db.lan"')
  for (const [url, expected] of [
    ['mysql://h/db', /neither sqlite nor postgres:\/\//],
    ['postgresql://h/db', /neither sqlite nor/],
    ['postgres://h', /cannot be read as/],
    ['postgres://u:Gr3en/x@10.0.0.7/db', /cannot be read as .* signs of a password/],
    ['postgres://10.0.0.7/db?application name', /cannot be read/],
    ['postgres://10.0.0.7:70000/db', /70000 is no port/],
    ['postgres:///db', /names no host/],
    ['postgres:///db?host=/tmp', /the sandbox hides \/tmp/],
    ['postgres://db.example/db', /db\.example is no address, nor a name in \/etc\/hosts/],
    ['postgres://10.0.0.7/db?user=u&password=Gr3en', /the password stands before the @/],
    ['postgres://u:Gr3en@db.lan/db', /nothing takes connections at db\.lan, port 5432/],
    ['postgres:///db?host=/run/nowhere', /no PostgreSQL listens at \/run\/nowhere\/\.s\.PGSQL\.5432/],
  ] as const) {
    const { stdout, stderr } = await bench.run(`${settle('')}can_connect() { false; }; ${faults}`, {
      TGDEPOT_DATABASE: url,
    })
    t.regex(stdout, expected, url)
    t.is(stdout.trim().split('\n').length, 1, stdout)
    t.notRegex(stdout + stderr, /Gr3en/)
  }
})

test('a PostgreSQL behind a UNIX socket needs no network, and the switch back to SQLite leaves nothing of it', async (t) => {
  await using bench = await Bench.open()
  await bench.run('mkdir run')
  const server = createServer().listen(join(bench.dir, 'run/.s.PGSQL.5432'))
  t.teardown(() => server.close())
  const chosen =
    await bench.run(`${settle(`--database '${local(bench)}'`)}${secrets}find_database_fault() { :; }; ${faults}; install_settings
    fence_database; cat units/tgdepot-{bot,web}.service.d/*`)
  t.is(
    chosen.stdout.match(/^LoadCredential=DATABASE_URL:\S+\/etc\/secrets\/DATABASE_URL$/gm)?.length,
    2,
    chosen.stderr,
  )
  t.notRegex(chosen.stdout, /database:|IPAddress|PrivateNetwork|meta skuid/)
  const back = await bench.run(
    `${settle('--database sqlite')}${secrets}install_settings; find units; grep ^DATABASE etc/tgdepot.env`,
  )
  t.regex(back.stdout, /^units\nDATABASE_URL=sqlite:/)
})

test('one on the network opens its address to the roles, and to the look at a release, by the file of its URL', async (t) => {
  await using bench = await Bench.open()
  await bench.fake(
    'systemd-run',
    'printf "%s\\n" "$@" >>arguments; cat "$PWD/etc/secrets/.DATABASE_URL.new" >read',
  )
  const { status, stdout, stderr } = await bench.run(
    `${settle('')}${secrets}RELEASE=1 CANDIDATE_URL=$SECRETS/.DATABASE_URL.new; check_release; cat arguments; ls -A etc/secrets; install_settings; cat units/*/*`,
    { TGDEPOT_DATABASE: withPassword },
  )
  t.is(status, 0, stderr)
  t.false(stdout.includes(password))
  for (const line of ['PrivateNetwork=no', 'IPAddressDeny=any', 'IPAddressAllow=127.0.0.1']) {
    t.is(stdout.match(new RegExp(`^--property=${line}$`, 'gm'))?.length, 2, line)
    t.is(stdout.match(new RegExp(`^${line}$`, 'gm'))?.length, 2, line)
  }
  t.regex(stdout, /^--property=LoadCredential=DATABASE_URL:\S+\.DATABASE_URL\.new$/m)
  t.deepEqual(await readAll(bench, 'read'), [withPassword])
  t.notRegex(stdout, /^\.DATABASE_URL\.new$/m, 'it is gone afterwards')
})

/** A network of its own, with servers on two ports of two addresses, and the rules for a database at the first. */
const fenced = `
    [[ -v INNER ]] || exec env INNER=1 unshare --net bash -c "$BASH_EXECUTION_STRING"
    ip link set lo up; ip address add 10.9.9.9/32 dev lo
    id() { case $2 in tgdepot) echo 991 ;; tgdepot-web) echo 993 ;; *) echo 992 ;; esac; }
    ANSWERS=([TGDEPOT_DATABASE]=postgres://depot@10.9.9.9:5433/links [TGDEPOT_BOT_API_EGRESS]='')
    fill_fence "$SOURCE/deploy/firewall.nft" | /usr/sbin/nft -f -
    for address in 10.9.9.9 127.0.0.1; do for port in 5433 5434; do
      perl -MIO::Socket::IP -e 'my $s = IO::Socket::IP->new(LocalHost => shift, LocalPort => shift, Listen => 9, ReuseAddr => 1) or die; 1 while $s->accept' $address $port & servers+=($!)
      until ss -Hltn "src $address:$port" | grep -q .; do sleep 0.05; done
    done; done
    trap 'kill "\${servers[@]}"' EXIT
    reach() {
      setpriv --reuid=$1 --regid=65534 --clear-groups timeout 2 bash -c ': 3<>"/dev/tcp/$0"' $2 2>/dev/null && echo "$1 $2" || true
    }
`

asRoot('the roles reach that port of that address, and nothing else', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(`${fenced}
    for user in 991 993 994; do for place in 10.9.9.9/5433 10.9.9.9/5434 127.0.0.1/5434; do reach $user $place; done; done`)
  t.deepEqual(
    stdout.trim().split('\n'),
    [
      '991 10.9.9.9/5433',
      '991 127.0.0.1/5434',
      '993 10.9.9.9/5433',
      ...['10.9.9.9/5433', '10.9.9.9/5434', '127.0.0.1/5434'].map((place) => `994 ${place}`),
    ],
    stderr,
  )
})

asRoot(
  'a release that is looked at reaches its database, where the rules in force name another one',
  async (t) => {
    await using bench = await Bench.open()
    await bench.fake('systemctl', 'echo "$*"')
    // A library has a program of this name.
    await bench.fake('nft', 'exec /usr/sbin/nft "$@"')
    const { stdout, stderr } = await bench.run(`${fenced}
    FRESH=0 LAST_DATABASE=postgres://depot@10.9.9.9:5433/links; admit_database; dismiss_database
    ANSWERS[TGDEPOT_DATABASE]=postgres://depot@127.0.0.1:5434/links
    reach 993 127.0.0.1/5434; admit_database; reach 993 127.0.0.1/5434; reach 993 10.9.9.9/5433; reach 993 127.0.0.1/5433; dismiss_database`)
    t.is(stdout, '993 127.0.0.1/5434\n993 10.9.9.9/5433\nreload tgdepot-firewall\n', stderr)
  },
)

/** A machine whose release has worked with SQLite, and has links; `run` is one with another database. */
const worked = `mkdir -p opt/releases/1 "$DATA/store/ab"; touch "$DATA/store/ab/file"; ln -sfn releases/1 opt/current; echo 1 >"$STATE/healthy"
  MANAGED=("$ETC/answers" "$ETC/tgdepot.env" "$SECRETS/DATABASE_URL" "$PWD"/units/tgdepot-{bot,web}.service.d/30-database.conf)
  RELEASE=1 BOT_API=x; mkdir -p opt/bot-api
  `

test('a database with which the same release does not work is gone back from, with its URL', async (t) => {
  await using bench = await Bench.open()
  const first = await bench.run(
    `${settle('')}${secrets}${worked}switch_release; install_settings; has_way_back || echo none`,
  )
  t.is(first.stdout, 'none\n', first.stderr)
  const second = await bench.run(
    `${settle('')}${secrets}${worked}switch_release; install_settings; has_way_back && ! release_has_worked && go_back
    cat etc/tgdepot.env etc/answers; find units -type f; ls etc/secrets`,
    { TGDEPOT_DATABASE: withPassword },
  )
  t.regex(second.stdout, /^DATABASE_URL=sqlite:/m, second.stderr)
  t.notRegex(second.stdout, /TGDEPOT_DATABASE|30-database|^DATABASE_URL$/m)
})

test('a release that is gone back from leaves the PostgreSQL of the one before, with its URL, to the roles', async (t) => {
  await using bench = await Bench.open()
  await bench.run(
    `${settle('')}${secrets}${worked}cp -r "$SOURCE/systemd" opt/releases/1/; install_settings`,
    {
      TGDEPOT_DATABASE: withPassword,
    },
  )
  const { stdout, stderr } = await bench.run(
    `${settle('')}${secrets}${worked}mkdir -p opt/releases/2; RELEASE=2; find units -type f | sort >before
    switch_release; install_settings; echo changed | tee units/*/* etc/secrets/DATABASE_URL >/dev/null
    go_back; find units -type f | sort | diff before - && cat etc/secrets/DATABASE_URL units/tgdepot-web.service.d/*`,
  )
  t.regex(stdout, /^postgres:\/\/depot:Gr3en-House@[\s\S]*LoadCredential=DATABASE_URL/, stderr)
})

test('links that another database has are named before anything is changed, and again when the release finds them missing', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemd-run', 'echo "STORAGE_PATH: the store is another database’s"; exit 1')
  const { stderr } = await bench.run(
    `echo TGDEPOT_DOMAIN=a.example >"$ETC/answers"; ${settle('')}${secrets}${worked}
    can_connect() { true; }; check_database; CANDIDATE_URL=$SECRETS/x; (check_release)`,
    { TGDEPOT_DATABASE: withPassword },
  )
  t.is(
    stderr.match(/the links of this machine are in SQLite: .* Move them first: sudo tgdepot move-database/g)
      ?.length,
    2,
    stderr,
  )
  t.regex(stderr, /what runs was left as it is:[\s\S]*another database’s/)
})

test('a rollback by hand does not go back to a database without the links made since', async (t) => {
  await using bench = await Bench.open()
  await bench.run(`${settle('')}${secrets}${worked}install_settings; keep_way_back`)
  await bench.run(`${settle('')}${secrets}${worked}install_settings`, { TGDEPOT_DATABASE: withPassword })
  const { status, stderr } = await bench.run(`${settle('')}check_way_back`)
  t.is(status, 1)
  t.regex(stderr, /the release before had another database/)
})

test('a DATABASE_URL among the owner’s lines is refused where it holds a password, or says something else', async (t) => {
  await using bench = await Bench.open()
  const look = (line: string, flags = '') =>
    bench.run(
      `echo '${line}' >"$ETC/tgdepot.env"; ${settle(flags)}check_settings; printf '%s\\n' "\${FAULTS[@]}"`,
    )
  t.regex((await look(`DATABASE_URL=${withPassword}`)).stdout, /line 1: DATABASE_URL holds a password/)
  t.regex(
    (await look('DATABASE_URL=sqlite:/mine', '--database postgres://10.0.0.7/db')).stdout,
    /line 1: DATABASE_URL is what --database says: remove the line/,
  )
  t.is((await look('DATABASE_URL=sqlite:/mine')).stdout.trim(), '')
})

asRoot('the owner’s commands reach the database as the bot does', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemd-run', 'printf "%s\\n" "$@" >"$HOME/arguments"')
  const { status, stderr } = await bench.run(
    `[[ -v INNER ]] || exec env INNER=1 unshare --mount bash -c "$BASH_EXECUTION_STRING"
    ${settle('')}${secrets}install_settings; mount --bind units /etc/systemd/system; sh "$SOURCE/deploy/tgdepot" owner 'two words'`,
    { TGDEPOT_DATABASE: withPassword },
  )
  t.is(status, 0, stderr)
  const [given = ''] = await readAll(bench, 'arguments')
  t.regex(
    given,
    /^--property=LoadCredential=DATABASE_URL:\S+\n--property=PrivateNetwork=no\n--property=RestrictAddressFamilies=AF_INET AF_INET6$/m,
  )
  t.true(given.indexOf('PrivateNetwork=yes') < given.indexOf('PrivateNetwork=no'))
  t.regex(given, /main\.ts\nowner\ntwo words\n$/)
})
