import { execFile } from 'node:child_process'
import { appendFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Bench } from './bash.ts'

const root = join(import.meta.dirname, '../..')
const execute = promisify(execFile)

const unit = `[Unit]
Description=tgdepot: an example

[Service]
User=tgdepot-web
Group=tgdepot-web
EnvironmentFile=/etc/tgdepot/secrets/EXAMPLE
ExecStart=/usr/bin/perl /opt/tgdepot/current/deploy/example.pl
RestrictAddressFamilies=AF_UNIX
PrivateNetwork=yes
IPAddressDeny=any

[Install]
WantedBy=tgdepot.target
`

/** As much of systemd as the installer asks: what is enabled and what runs, as files; each call is a line in `calls`. */
const systemctl = `
  echo "$*" >>calls
  verb=$1; shift; properties=''
  for word; do
    case $word in
      --property=*) properties=$word; continue ;;
      -*) continue ;;
    esac
    [[ $word == *.* ]] || word=$word.service
    case $verb in
      is-enabled) [[ -e $UNITS/tgdepot.target.wants/$word ]] || exit 1 ;;
      enable) mkdir -p "$UNITS/tgdepot.target.wants"; ln -sf "../$word" "$UNITS/tgdepot.target.wants/" ;;
      is-active) [[ -e active/$word ]] || exit 1 ;;
      start | restart) mkdir -p active; touch "active/$word" ;;
      stop) rm -f "active/$word" ;;
      disable) rm -f "active/$word" "$UNITS/tgdepot.target.wants/$word" ;;
      show)
        case $properties in
          *MainPID* | *NRestarts*) echo 0 ;;
          *LoadState*) echo LoadState=loaded; if [[ -e active/$word ]]; then echo ActiveState=active; else echo ActiveState=inactive; fi ;;
        esac ;;
    esac
  done`

/** A checkout to which one unit was added: its file and its line. */
async function openWithUnit(t: ExecutionContext) {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  bench.source = join(bench.dir, 'opt/releases/next')
  for (const part of ['app', 'deploy', 'nginx', 'scripts', 'systemd', 'package.json', 'package-lock.json'])
    await cp(join(root, part), join(bench.source, part), { recursive: true })
  await writeFile(join(bench.source, 'systemd/tgdepot-example.service'), unit)
  const line = `tgdepot-example.service  tgdepot-web  tgdepot.target  -  EXAMPLE  ${bench.dir}/opt/current/deploy/example.pl\n`
  await appendFile(join(bench.source, 'systemd/manifest'), line)
  await writeFile(join(bench.source, 'deploy/example.pl'), '1;\n')
  await symlink('releases/next', join(bench.dir, 'opt/current'))
  await mkdir(join(bench.dir, 'units'))
  await bench.fake('systemctl', systemctl)
  const start = `export UNITS=$PWD/units COMMAND=$PWD/command; MANAGED=("\${MANAGED[@]/#\\/etc\\/systemd\\/system/$UNITS}")
    systemd_version() { echo 257; }; load_bot_api_folder() { :; }; load_fence() { systemctl restart tgdepot-firewall; }
    socket_was_taken() { false; }; runs_present_role() { :; }
    calls() { grep -E "$1" calls || true; : >calls; }; echo EXAMPLE=1 >"$SECRETS/EXAMPLE"
    `
  return {
    bench,
    run: async (script: string) => {
      const { status, stdout, stderr } = await bench.run(start + script)
      t.is(status, 0, stderr)
      return stdout
    },
  }
}

/** The calls that begin, end or enable the unit. */
const changes = `calls '^(enable|disable|start|restart|stop) .*tgdepot-example'`

test('a unit that is a file and a line is installed, enabled and started, once', async (t) => {
  const { bench, run } = await openWithUnit(t)
  const install = `install_units; start_services; ${changes}`
  t.is(await run(install), 'enable tgdepot-example.service\nrestart tgdepot-example\n')
  t.is(await readFile(join(bench.dir, 'units/tgdepot-example.service'), 'utf8'), unit)
  t.is(await run(install), '')
})

test('it is started anew when its file, its secret or what it reads has changed', async (t) => {
  const { run } = await openWithUnit(t)
  await run(`install_units; start_services; ${changes}`)
  for (const change of [
    `echo '# more' >>"$SOURCE/systemd/tgdepot-example.service"`,
    `echo EXAMPLE=2 >"$SECRETS/EXAMPLE"`,
    `echo '# more' >>"$SOURCE/deploy/example.pl"`,
  ])
    t.is(
      await run(`${change}; install_units; start_services; ${changes}`),
      'restart tgdepot-example\n',
      change,
    )
})

test('it is a trouble when it does not run', async (t) => {
  const { run } = await openWithUnit(t)
  t.is(await run('install_units; start_services; find_unit_troubles'), '')
  t.is(
    await run('rm active/tgdepot-example.service; find_unit_troubles'),
    'tgdepot-example.service is inactive\n',
  )
})

test('it ends with a rollback to a release that has none, and comes back with the next upgrade', async (t) => {
  const { run } = await openWithUnit(t)
  // Its installer lists the units without it, and they are all that its release holds.
  const before = `UNIT_NAMES=("\${UNIT_NAMES[@]:0:\${#UNIT_NAMES[@]}-1}") SERVICES=("\${SERVICES[@]:0:\${#SERVICES[@]}-1}")
    mkdir -p "$OPT/releases/before/systemd"; touch "\${UNIT_NAMES[@]/#/$OPT/releases/before/systemd/}"; ln -sfn releases/before "$OPT/current"`
  await run(`${before}; install_units; start_services; keep_way_back`)
  const upgrade = 'ln -sfn releases/next "$OPT/current"; install_units; start_services'
  t.is(
    await run(`calls none; ${upgrade}; cp -a "$STATE/undo" kept; ${changes}`),
    'enable tgdepot-example.service\nrestart tgdepot-example\n',
  )
  t.is(
    await run(`go_back; start_services; ${changes}; find units -name '*example*'; find_unit_troubles`),
    'stop tgdepot-example.service\n',
  )
  t.is(await run(`${upgrade}; ${changes}`), 'enable tgdepot-example.service\nrestart tgdepot-example\n')
})

test('it is removed with the others', async (t) => {
  const { run } = await openWithUnit(t)
  const removed = await run(
    `nft() { :; }; install_units; start_services; : >calls; remove_units >/dev/null; ${changes}; find units active -mindepth 1 -name '*tgdepot*' -not -name 'tgdepot.target.wants'`,
  )
  t.is(removed, 'disable --quiet --now tgdepot-example.service\n')
})

test('the check of the units looks at it, too', async (t) => {
  const { bench } = await openWithUnit(t)
  const check = () =>
    execute(join(bench.source, 'scripts/check-units')).then(
      () => '',
      ({ stdout, stderr }) => stdout + stderr,
    )
  t.is(await check(), '')
  await writeFile(
    join(bench.source, 'systemd/tgdepot-example.service'),
    unit.replace('User=tgdepot-web', 'User=tgdepot').replace('PrivateNetwork', 'PrivateNetwerk'),
  )
  t.regex(await check(), /PrivateNetwerk[\s\S]*tgdepot-example\.service: does not run as tgdepot-web/)
})
