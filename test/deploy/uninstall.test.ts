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
