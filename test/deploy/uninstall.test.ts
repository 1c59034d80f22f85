import test from 'ava'
import { Bench } from './bash.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

/** A machine whose data are on a disk of its own, or behind a link. */
const machine = `[[ -v INNER ]] || exec env INNER=1 unshare --mount bash -c "$BASH_EXECUTION_STRING"
  eval "$(sed '/^SOURCE=/d; $d' "$SOURCE/deploy/uninstall.sh")"; LINK_LOGS=$PWD/logs; mkdir "$LINK_LOGS"; echo token >"$SECRETS/x"
  fill() { mkdir -p "$1/store/ab"; echo bytes >"$1/store/ab/x"; chown -R games "$1/store"; }
`

asRoot('a purge leaves nothing of data that have a disk of their own, and no secret', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`${machine}
    mkdir data; mount -t tmpfs tmpfs data; fill data; purge; find data etc logs 2>/dev/null || true`)
  t.is(status, 0, stderr)
  t.regex(stdout, /data stays, empty: a disk is mounted there\nok .*\ndata\n$/)
})

asRoot('a purge removes the data behind a link, and without one they become root’s', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(`${machine}
    mkdir disk; ln -s disk data; fill disk; keep >/dev/null; stat -c %U disk/store/ab/x
    purge; find data disk etc logs 2>/dev/null || true`)
  t.regex(stdout, /^root\nok .*\ndisk\n$/, stderr)
})

asRoot(
  'releases that have a disk of their own, or lie behind a link, are removed and end nothing',
  async (t) => {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(`${machine}
    mount -t tmpfs tmpfs opt; mkdir opt/releases; remove_releases; find opt; umount opt
    mkdir -p disk/releases; rm -r opt; ln -s disk opt; remove_releases; find opt disk || true`)
    t.is(status, 0, stderr)
    t.regex(stdout, /opt stays, empty: a disk is mounted there\n.*opt\ndisk\n$/)
  },
)

test('another site’s fault in nginx does not end the removal', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemctl', '[[ $1 != reload ]] || { echo "Job for nginx.service failed." >&2; exit 1; }')
  const { status, stdout, stderr } = await bench.run(
    'SITE=$PWD/site SNIPPETS=$PWD/snippets LOGROTATE=$PWD/rotate NGINX_UNIT=$PWD/unit/x; touch site; remove_nginx; ls site || true',
  )
  t.is(status, 0, stderr)
  t.regex(stdout, /nginx refuses its configuration[\s\S]*ok +nginx site removed/)
})

test('a purge removes the certificate also where certbot has gone before', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('certbot', 'exit 127')
  const { status, stdout, stderr } = await bench.run(
    `for name in tgdepot other; do mkdir -p acme/{live,archive}/$name acme/renewal; touch acme/renewal/$name.conf; done
    ACME_CERTIFICATE=$PWD/acme/live/tgdepot; purge_certificate; find acme -mindepth 2 | sort`,
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'acme/archive/other\nacme/live/other\nacme/renewal/other.conf\n')
})

asRoot(
  'a purge removes the log of links that an older release kept with nginx’s own, and no log of nginx’s',
  async (t) => {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(`${machine}
    mount -t tmpfs tmpfs /var/log; mkdir /var/log/nginx
    touch /var/log/nginx/{access.log,tgdepot.access.log,tgdepot.access.log.2.gz,tgdepot.error.log}
    purge >/dev/null; ls /var/log/nginx`)
    t.is(status, 0, stderr)
    t.is(stdout, 'access.log\n')
  },
)
