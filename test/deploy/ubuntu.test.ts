import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'

// What the two Ubuntus that Debian 12 and 13 are not like have: 22.04 old programs, 26.04 its basic ones in Rust.

const root = join(import.meta.dirname, '../..')

async function textsOf(folder: string, ending: RegExp): Promise<[string, string][]> {
  const names = await readdir(join(root, folder), { recursive: true })
  const files = names.filter((name) => ending.test(name))
  return Promise.all(
    files.map(
      async (name): Promise<[string, string]> => [name, await readFile(join(root, folder, name), 'utf8')],
    ),
  )
}

/** Of systemd 250 to 257 (its NEWS): 249 complains of each at every load. */
const newKeys =
  /^(ExitType|LoadCredentialEncrypted|SetCredentialEncrypted|ImportCredential|RestrictFileSystems|RestrictNetworkInterfaces|OpenFile|ConditionCredential|ConditionFirmware|ConditionVersion|StartupCPUWeight|StartupAllowedCPUs|MemoryZSwapMax|MemoryPressureWatch|MemoryPressureThresholdSec|LogFilterPatterns|RestartMode|RestartSteps|RestartMaxDelaySec|FileDescriptorStorePreserve|RootEphemeral|DelegateSubgroup|CoredumpReceive|SurviveFinalKillSignal|PollLimitIntervalSec|PollLimitBurst|PassFileDescriptorsToExec|MakeDirectory|NFTSet|ProtectHostnameEx|PrivatePIDs|BindNetworkInterface|PrivateBPF)=|%d/m

test('systemd 249 knows every key of the units, but for a file of which it gets none', async (t) => {
  const units = await textsOf('systemd', /\.(service|socket|target|conf)$/)
  const strangers = units.filter(([, text]) => newKeys.test(text)).map(([name]) => name)
  t.deepEqual(strangers, ['tgdepot-.service.d/20-backoff.conf'])
  t.regex(await readFile(join(root, 'deploy/units/install.sh'), 'utf8'), /20-backoff\.conf .*-ge 254/)
})

/** Of nginx 1.19 and later (nginx.org/en/CHANGES): 1.18 ends with "unknown directive". */
const newDirectives =
  /^\s*(ssl_reject_handshake|ssl_conf_command|ssl_ocsp\w*|proxy_cookie_flags|proxy_ssl_conf_command|keepalive_time|keepalive_min_timeout|keepalive_disable_h2|auth_delay|http2|http3\w*|quic\w*|max_headers|ssl_early_data_reject|ssl_stapling_cache|subrequest_\w+|userid_flags)\s/m

test('nginx 1.18 knows every directive of the site', async (t) => {
  for (const [name, text] of await textsOf('nginx', /\.conf$/)) t.notRegex(text, newDirectives, name)
  await using bench = await Bench.open()
  // Two that depend on the version are filled in.
  const { stdout, stderr } = await bench.run(`
    nginx_version() { echo 1.18.0; }
    ANSWERS[TGDEPOT_DOMAIN]=files.example.org ANSWERS[TGDEPOT_LISTEN]='' ANSWERS[TGDEPOT_TLS]=self-signed; choose_certificate self-signed
    fill_site "$SOURCE" http unknown-plain unknown-tls redirect tls`)
  t.regex(stdout, /listen 443 ssl http2/, stderr)
  t.notRegex(stdout, newDirectives)
})

test('npm and Node of the machine, which are too old on Ubuntu 22.04, are never asked', async (t) => {
  await using bench = await Bench.open()
  for (const name of ['node', 'npm', 'npx']) await bench.fake(name, 'echo "$0 $*" >>"$HOME/asked"; exit 1')
  const { stdout } = await bench.run(`
    BUILDER=$(id -un); as_builder() { "$@"; }
    mkdir -p opt/releases/1/node_modules/.bin opt/releases/1/app
    printf '#!/bin/sh\\necho v24.21.0\\n' >opt/releases/1/node_modules/.bin/node; chmod +x opt/releases/1/node_modules/.bin/node
    runtime_works opt/releases/1 && echo works; cat asked 2>/dev/null || echo nobody`)
  t.is(stdout, 'works\nnobody\n')
  for (const [name, text] of await textsOf('deploy', /\.sh$/))
    t.notRegex(text, /(^|[|&;(] *|\b(run|exec|as_builder) )(node|npm|npx) /m, name)
})

const rust = '/usr/lib/cargo/bin/coreutils'
const inRust = existsSync(rust) ? test : test.skip

/** An installer's functions with the basic programs in Rust, as Ubuntu 26.04 has them. */
async function runInRust(script: string): Promise<string> {
  await using bench = await Bench.open()
  const { stdout, stderr, status } = await bench.run(`PATH=${rust}:$PATH; hash -r\n${script}`)
  if (status !== 0) throw new Error(stderr)
  return stdout
}

inRust('with the coreutils in Rust a release is named as with the others', async (t) => {
  const script = `release_id "$SOURCE"; mkdir -p one/node_modules/a; echo x >one/node_modules/a/b; ln -s a one/node_modules/c; hash_libraries one; digest_of one/node_modules/a/b none`
  await using bench = await Bench.open()
  t.is(await runInRust(script), (await bench.run(script)).stdout)
})

inRust(
  'with the coreutils in Rust a link to a folder leads to another one at a stroke, also after a kill',
  async (t) => {
    const stdout = await runInRust(`
    mkdir -p opt/releases/1 opt/releases/2
    point_link releases/1 opt/current; point_link releases/2 opt/current; readlink opt/current
    ln -s releases/2 opt/current.new; point_link releases/1 opt/current; readlink opt/current; ls opt opt/releases/*`)
    t.is(stdout, 'releases/2\nreleases/1\nopt:\ncurrent\nreleases\n\nopt/releases/1:\n\nopt/releases/2:\n')
  },
)

inRust(
  'with the coreutils in Rust files, folders, settings, secrets and room are as with the others',
  async (t) => {
    const stdout = await runInRust(`
    put() { CHANGED=0; printf '%s\\n' "$1" | write_file etc/deep/file "$2"; echo "$CHANGED $(stat -c %a etc/deep/file)"; }
    put one 0644; put one 0644; put one 0600
    make_folder made 0700; stat -c %a made
    ANSWERS[TGDEPOT_DOMAIN]=files.example.org ANSWERS[TGDEPOT_USERS]=claim
    write_settings >/dev/null; make_claim_code; grep -cE '^CLAIM_CODE=[A-Za-z0-9_-]{22}$' etc/secrets/CLAIM_CODE; stat -c %a etc/secrets/CLAIM_CODE`)
    t.is(stdout, '1 644\n0 644\n1 600\n700\n1\n600\n')
  },
)
