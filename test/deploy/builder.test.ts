import test from 'ava'
import { Bench } from './bash.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

/** What root takes from a builder that somebody has taken over: `make` fills the folder of its archive. */
const taken = (make: string) => `
  as_builder() { (mkdir made; cd made; ${make}; tar -cf - *) }
  mkdir release; take_from_builder libraries release x`

asRoot('what the builder made is taken as root’s, whatever owners and modes it names', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } =
    await bench.run(`${taken('mkdir libraries; cp /bin/true libraries/x; chown games libraries/x; chmod 6777 libraries/x')}
    stat -c '%U %a' release/libraries/x`)
  t.is(status, 0, stderr)
  t.is(stdout, 'root 755\n')
})

asRoot(
  'a device in the archive of the builder is refused: others could read the disk behind it',
  async (t) => {
    await using bench = await Bench.open()
    const { status } = await bench.run(taken('mkdir libraries; mknod -m 666 libraries/disk b 7 99'))
    t.not(status, 0)
    t.is((await bench.run('find release -type b')).stdout, '')
  },
)

asRoot('a link in place of the builder’s folder opens nothing of the machine', async (t) => {
  await using bench = await Bench.open()
  const { status, stderr } = await bench.run(`echo token >"$SECRETS/x"; chmod 0600 "$SECRETS/x"; mkdir release
    as_builder() { (mkdir made; cd made; ln -s "$SECRETS" .compile-cache; tar -cf - .compile-cache) }
    warm_release release`)
  t.not(status, 0)
  t.regex(stderr, /made no folder \.compile-cache/)
  t.is((await bench.run('stat -c %a "$SECRETS/x"; ls "$SECRETS"')).stdout, '600\nx\n')
})

asRoot('the files that an older release left to others become root’s, however many they are', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(`mkdir -p "$OPT"/releases/1/node_modules/x
    touch "$OPT"/releases/1/node_modules/x/a-rather-long-name-of-a-file-{1..3000}
    chown -R games:games "$OPT"; chmod -R g+w "$OPT"
    own_releases; echo "$CHANGED"; find "$OPT" ! -user root -o ! -group root -o -perm /022; own_releases`)
  t.is(status, 0, stderr)
  t.is(stdout, '1\n')
  const behindLink = await bench.run(`mv "$OPT" disk; ln -s disk "$OPT"; chown -R games:games disk
    own_releases; find disk ! -user root -o ! -group root`)
  t.is(behindLink.stdout, '', behindLink.stderr)
})

test('whatever ends the installer early ends what the builder does for it', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemctl', 'echo "$*" >>"$HOME/calls"')
  const { stderr } = await bench.run(
    `eval "$(sed '/^SOURCE=/d; $d' "$SOURCE/install.sh")"; STEP=Release; end_run 130`,
  )
  t.regex(stderr, /stopped at "Release"/)
  t.is((await bench.run('cat calls')).stdout, 'stop build-tgdepot.service\n')
})

test('half of a built program is never kept for a whole one', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout } = await bench.run(`install_packages() { :; }; add_swap() { :; }; RELEASE=x
    as_builder() { [[ $1 != cat ]] || { printf half; return 1; }; }
    trap 'ls "$OPT/bot-api/10.3"' EXIT; build_bot_api 10.3`)
  t.not(status, 0)
  t.is(stdout, '')
})
