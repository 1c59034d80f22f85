import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'

const settle = `read_arguments "$@"; collect_answers; ask_missing; check_answers; printf '%s\\n' "\${FAULTS[@]}"`
const withArguments = (...args: string[]) => `set -- ${args.map((arg) => `'${arg}'`).join(' ')}; `
const secrets = {
  TELEGRAM_BOT_TOKEN: `123456789:${'A'.repeat(35)}`,
  TELEGRAM_API_ID: '12345',
  TELEGRAM_API_HASH: '0123456789abcdef0123456789abcdef',
}
const enough = [
  '--yes',
  ...['--domain', 'files.example.org'],
  ...['--tls', 'self-signed'],
  ...['--users', 'claim'],
  ...['--bot-api', '/bin/true'],
]

test('a complete set of answers has no fault', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(withArguments(...enough) + settle, secrets)
  t.is(stdout.trim(), '', stderr)
})

test('an empty answer to who may use the bot does not open it to everyone', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(
    `echo TGDEPOT_USERS=42 >"$ETC/answers"; printf 'ADMIN_USERS=42\nALLOWED_USERS=42\n' >"$ETC/tgdepot.env"
    echo TGDEPOT_USERS= >file; ${withArguments('--answers', 'file', '--domain', 'a.example')}
    read_arguments "$@"; collect_answers; write_settings; save_answers; cat "$ETC/answers"`,
  )
  t.is(status, 0, stderr)
  t.regex(stdout, /^ALLOWED_USERS=42$[\s\S]*^TGDEPOT_USERS=42$/m)
})

test('a secret’s file that is empty does not leave the present secret in use', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(
    `printf '%s' "$TELEGRAM_BOT_TOKEN" >"$SECRETS/TELEGRAM_BOT_TOKEN"; echo >file
    ${withArguments(...enough, '--bot-token-file', 'file')}${settle}`,
    secrets,
  )
  t.is(stdout.trim(), 'file: is empty, and TELEGRAM_BOT_TOKEN was to be read from it', stderr)
})

test('behind another proxy an address will do for a name', async (t) => {
  await using bench = await Bench.open()
  const args = [...enough, '--tls', 'none', '--domain', '192.168.1.5']
  const { stdout, stderr } = await bench.run(withArguments(...args) + settle, secrets)
  t.is(stdout.trim(), '', stderr)
})

test('flags and names mean the same in every language of the machine', async (t) => {
  await using bench = await Bench.open()
  const made = await bench.run('localedef -i tr_TR -f UTF-8 "$PWD/tr_TR.UTF-8"')
  if (made.status !== 0) return t.pass('without the sources of the locales')
  const args = [...enough, '--domain', 'FILES.EXAMPLE.ORG']
  const { stdout, stderr } = await bench.run(
    `${withArguments(...args)}${settle}; echo "\${ANSWERS[TGDEPOT_DOMAIN],,}"`,
    { ...secrets, LOCPATH: bench.dir, LC_ALL: 'tr_TR.UTF-8' },
  )
  t.is(stdout.trim(), 'files.example.org', stderr)
})

test('everything that is missing is said at once', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(withArguments('--yes') + settle)
  for (const word of ['domain', 'TLS', ...Object.keys(secrets)]) t.regex(stdout, new RegExp(word))
})

test('values that could break out of a configuration file are refused', async (t) => {
  await using bench = await Bench.open()
  const wrong: [string, string][] = [
    ['--domain', 'a.example; include /etc/passwd'],
    ['--domain', '-a.example'],
    ['--domain', '203.0.113.5'],
    ['--tls', 'yes'],
    ['--bot-api', '/nowhere'],
  ]
  for (const [flag, value] of wrong) {
    const { stdout } = await bench.run(withArguments(...enough, flag, value) + settle, secrets)
    t.not(stdout.trim(), '', `${flag} ${value}`)
  }
  for (const listen of [
    '0',
    '70000',
    '1.2.3.4:80;',
    'host:80',
    '999.1.1.1:8080',
    '192.0.2.77:80',
    '[2001:db8::7]:80',
    // Who looks for these among open sockets does not find them.
    '08080',
    '127.1:8080',
    '[0:0::1]:8080',
    '[::1]:8080',
    '',
  ]) {
    const args = [...enough, '--tls', 'none', '--listen', listen]
    const { stdout } = await bench.run(`${withArguments(...args)}${settle}`, secrets)
    if (listen === '' || listen === '[::1]:8080') t.is(stdout.trim(), '')
    else t.regex(stdout, /listen/, listen)
  }
})

test('a flag comes before the environment, that before the answers file, that before the last run', async (t) => {
  await using bench = await Bench.open()
  const answers = join(bench.dir, 'answers')
  await writeFile(answers, 'TGDEPOT_DOMAIN=file\nTGDEPOT_TLS=file\nTGDEPOT_EMAIL=file\n')
  const script = `
    printf 'TGDEPOT_DOMAIN=last\\nTGDEPOT_TLS=last\\nTGDEPOT_EMAIL=last\\nTGDEPOT_LISTEN=last\\n' >"$ETC/answers"
    read_arguments --domain flag --answers '${answers}'; collect_answers
    echo "\${ANSWERS[TGDEPOT_DOMAIN]} \${ANSWERS[TGDEPOT_TLS]} \${ANSWERS[TGDEPOT_EMAIL]} \${ANSWERS[TGDEPOT_LISTEN]}"`
  const { stdout } = await bench.run(script, { TGDEPOT_DOMAIN: 'environment', TGDEPOT_TLS: 'environment' })
  t.is(stdout.trim(), 'flag environment file last')
})

test('an answers file is data: nothing in it is run', async (t) => {
  await using bench = await Bench.open()
  await writeFile(
    join(bench.dir, 'answers'),
    '# mine\nTGDEPOT_DOMAIN=$(touch ran)`touch ran`\nNONSENSE=1\nwhat\n',
  )
  const { stdout } = await bench.run(`${withArguments('--yes', '--answers', 'answers')}${settle}; ls`)
  t.notRegex(stdout, /^ran$/m)
  t.regex(stdout, /line 3: NONSENSE is not known/)
  t.regex(stdout, /line 4: not NAME=value/)
  t.regex(stdout, /not a host name/)
})

test('secrets leave the environment, and are never among the saved answers', async (t) => {
  await using bench = await Bench.open()
  const script = `${withArguments(...enough)}${settle}; save_answers; env; cat "$ETC/answers" log`
  const { stdout } = await bench.run(script, secrets)
  t.regex(stdout, /TGDEPOT_DOMAIN=files.example.org/)
  for (const secret of Object.values(secrets)) t.false(stdout.includes(secret))
})

test('a secret of the wrong form is named but not shown', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(withArguments(...enough) + settle, {
    ...secrets,
    TELEGRAM_BOT_TOKEN: 'not-a-token-at-all',
  })
  t.regex(stdout, /TELEGRAM_BOT_TOKEN does not have the form/)
  t.false((stdout + stderr).includes('not-a-token'))
})

test('a value written with = is not taken, and not shown: it may be a secret', async (t) => {
  await using bench = await Bench.open()
  const { status, stdout, stderr } = await bench.run(
    'read_arguments --bot-token=123456789:AAAAAAAA; cat "$LOG"',
  )
  t.is(status, 1)
  t.regex(stderr, /--bot-token: its value comes after a space/)
  t.false((stdout + stderr).includes('AAAAAAAA'))
})

test('a secret may come through a pipe', async (t) => {
  await using bench = await Bench.open()
  const script = `read_arguments --api-id-file <(echo 12345); collect_answers; echo "\${SECRET[TELEGRAM_API_ID]}"`
  t.is((await bench.run(script)).stdout.trim(), '12345')
})

test('blanks around a value of an answers file are no part of it', async (t) => {
  await using bench = await Bench.open()
  await writeFile(join(bench.dir, 'answers'), 'TGDEPOT_DOMAIN= files.example.org \nTGDEPOT_TLS=\t\n')
  const script = `read_arguments --answers answers; collect_answers
    echo "<\${ANSWERS[TGDEPOT_DOMAIN]}><\${ANSWERS[TGDEPOT_TLS]}>"`
  t.is((await bench.run(script)).stdout.trim(), '<files.example.org><>')
})

test('a line of the settings that is none is a fault, and so is a secret in that file', async (t) => {
  await using bench = await Bench.open()
  const lines = [
    '# ALLOWED_USER=1',
    '',
    '; another comment',
    'ALLOWED_USERS=1,2',
    '  LOG_LEVEL = debug',
    'NODE_OPTIONS=--max-old-space-size=200',
    'ALLOWED_USER=1',
    'export MAX_FILE_SIZE=1',
    'USER_QUOTA: 5',
    'ADMIN_TOKEN=a-secret-of-mine',
    '# files of C:\\',
    'ALLOWED_USERS=1',
  ]
  const script = `read_settings() { printf '%s' "$1" >"$ETC/tgdepot.env"; check_settings; }
    read_settings '${lines.join('\n')}'; printf '%s\\n' "\${FAULTS[@]}"`
  const { stdout, stderr } = await bench.run(script)
  const faults = stdout.trim().split('\n')
  t.is(faults.length, 3, stdout + stderr)
  t.regex(faults[0] ?? '', /tgdepot\.env, line 9: not NAME=value/)
  t.regex(faults[1] ?? '', /line 10: ADMIN_TOKEN is a secret/)
  t.regex(faults[2] ?? '', /line 11: a backslash at the end/)
  t.false(stdout.includes('of-mine'))
})

test('what the installer itself writes among the settings has no fault', async (t) => {
  await using bench = await Bench.open()
  const script = `ANSWERS[TGDEPOT_DOMAIN]=files.example.org; write_settings >"$ETC/tgdepot.env"
    check_settings; printf '%s\\n' "\${FAULTS[@]}"`
  t.is((await bench.run(script)).stdout.trim(), '')
})

test('a setting of the owner’s stays, whatever became of the lines around it', async (t) => {
  await using bench = await Bench.open()
  const script = (
    make: string,
  ) => `ANSWERS[TGDEPOT_DOMAIN]=files.example.org; write_settings >new; mv new "$ETC/tgdepot.env"
    ${make}
    for run in 1 2; do write_settings >new; mv new "$ETC/tgdepot.env"; done; cat "$ETC/tgdepot.env"`
  const made = (await bench.run(script(':'))).stdout
  for (const make of [
    `echo ALLOWED_USERS=5 >>"$ETC/tgdepot.env"`,
    `echo ALLOWED_USERS=5 >"$ETC/tgdepot.env"`,
    `sed -i '1i ALLOWED_USERS=5' "$ETC/tgdepot.env"`,
    `sed -i '/own settings/c ALLOWED_USERS=5' "$ETC/tgdepot.env"`,
  ]) {
    t.is(
      (await bench.run(`rm -f "$ETC/tgdepot.env"; ${script(make)}`)).stdout,
      `${made}ALLOWED_USERS=5\n`,
      make,
    )
  }
})
