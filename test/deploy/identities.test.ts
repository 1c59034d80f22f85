import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { Bench } from './bash.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip
const run = promisify(execFile)

/** The folder in which a release for `user` finds what another one left; numbers stand for users, 1 for tgdepot. */
const folder = `
  UNITS=$PWD/units; mkdir -p units data/bot-api/1:t/documents data/store/ab
  systemctl() { echo "$*" >>calls; }; id() { :; }
  prepare() {
    echo session >data/bot-api/1:t/td.binlog; echo a >data/bot-api/1:t/documents/file_1; echo b >data/store/ab/b
    ln data/store/ab/b data/bot-api/1:t/documents/file_2
    chown -R games:games data; chmod -R go= data/bot-api
  }
  give() { echo "User=$1" >units/tgdepot-bot-api.service; CHANGED=0; load_bot_api_folder; echo "$CHANGED"; }
  show() { find data -printf '%m %u %P\\n' | sort -k 3; }`

asRoot(
  'the Bot API server’s folder goes to the user whom its unit names, once, with the server stopped',
  async (t) => {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(`${folder}
    prepare; give daemon; show; cat calls; rm calls; give daemon; cat calls 2>&1 || true`)
    t.is(status, 0, stderr)
    t.regex(stdout, /^1\n/)
    for (const line of [
      '750 daemon bot-api',
      '750 daemon bot-api/1:t/documents',
      '600 daemon bot-api/1:t/td.binlog',
      '640 daemon bot-api/1:t/documents/file_1',
      // A link's bytes: the bot gives them further names, and nginx reads them.
      '664 daemon bot-api/1:t/documents/file_2',
      '664 daemon store/ab/b',
    ])
      t.true(stdout.includes(`${line}\n`), `${line} in ${stdout}`)
    t.regex(stdout, /^stop tgdepot-bot\.service tgdepot-bot-api\.service\n0\n/m)
  },
)

asRoot(
  'data of another machine are taken over, also where one of their numbers is right by chance',
  async (t) => {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(`${folder}
    prepare; chown -R daemon:games data; give daemon; adopt_data store daemon:daemon; find data -mindepth 2 -printf '%u:%g\\n' | sort -u`)
    t.is(status, 0, stderr)
    t.is(stdout, '1\ndaemon:daemon\n')
  },
)

asRoot('a run that was interrupted in the middle is finished by the next', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`${folder}
    prepare; (run() { "$@"; exit 1; }; give daemon) || true; give daemon; show`)
  t.notRegex(stdout, /games (bot-api|store\/ab\/b)/)
})

test('the firewall’s rules are what nft takes, with and without networks that the owner allows', async (t) => {
  for (const networks of ['', '10.1.2.0/24,192.168.7.7,10.1.0.0/16,fd00:1::/64,fd00::/8']) {
    await using bench = await Bench.open()
    const { status, stdout, stderr } = await bench.run(`
      id() { case $2 in tgdepot) echo 991 ;; *) echo 992 ;; esac; }
      ANSWERS=([TGDEPOT_BOT_API_EGRESS]=${networks}); fill_fence "$SOURCE/deploy/firewall.nft"`)
    t.is(status, 0, stderr)
    t.notRegex(stdout, /@[A-Z0-9]+@/)
    t.regex(stdout, /skuid != \{ 0, 991, 992 \} reject/)
    t.regex(stdout, /sport 8081 meta skuid != \{ 0, 992 \} drop/)
    if (networks) t.regex(stdout, /elements = \{ 10\.1\.2\.0\/24, 192\.168\.7\.7, 10\.1\.0\.0\/16 \}/)
    if (process.getuid?.() !== 0) continue
    await writeFile(join(bench.dir, 'rules'), stdout)
    await t.notThrowsAsync(run('/usr/sbin/nft', ['--check', '--file', join(bench.dir, 'rules')]))
  }
})

test('networks that the firewall would not take are refused before anything happens', async (t) => {
  await using bench = await Bench.open()
  for (const [value, isGood] of [
    ['10.0.0.0/8', true],
    ['fd00::1,10.1.1.1', true],
    ['10.0.0', false],
    ['10.0.0.0/8; flush', false],
    ['example.org', false],
    ['999.1.1.1', false],
    ['10.0.0.0/33', false],
    ['fd00::/129', false],
    ['::::', false],
    ['1:2', false],
    ['10.0.0.0/', false],
    ['-e', false],
  ] as const) {
    const { stdout } = await bench.run(`
      for name in "\${ANSWER_NAMES[@]}"; do ANSWERS[$name]=''; done
      for name in "\${SECRET_NAMES[@]}"; do SECRET[$name]=x; done
      ANSWERS[TGDEPOT_BOT_API_EGRESS]='${value}'; check_answers; printf '%s\\n' "\${FAULTS[@]}"`)
    t.regex(stdout, /no domain/)
    t.is(!/egress/.test(stdout), isGood, value)
  }
})

test('the resolvers of resolv.conf are let through, whatever else stands there', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('nft', 'cat >loaded')
  await writeFile(join(bench.dir, 'rules'), 'rules\n')
  const lines = [
    '# nameserver 1.1.1.1',
    'nameserver 127.0.0.53',
    'nameserver fe80::1%eth0',
    'nameserver x; flush',
    '',
  ]
  await writeFile(join(bench.dir, 'resolv'), `search a.b\n${lines.join('\n')}`)
  await bench.run('RULES=rules RESOLV=resolv bash "$SOURCE/deploy/firewall.sh" load')
  t.is(
    await readFile(join(bench.dir, 'loaded'), 'utf8'),
    'rules\nadd element inet tgdepot resolvers4 { 127.0.0.53 }\nadd element inet tgdepot resolvers6 { fe80::1 }\n',
  )
})
