import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'ava'
import { callApi } from '../bot-api/call-api.ts'
import { startBotApi } from '../bot-api/client.ts'
import { Bench } from './bash.ts'
import { Terminal } from './terminal.ts'

const secrets = {
  TELEGRAM_BOT_TOKEN: `123456789:${'A'.repeat(35)}`,
  TELEGRAM_API_ID: '7654321',
  TELEGRAM_API_HASH: '0123456789abcdef0123456789abcdef',
}

const ask = `collect_answers; ask_missing; check_answers; printf '%s\\n' "\${FAULTS[@]}" >faults
  for name in "\${ANSWER_NAMES[@]}"; do echo "$name=\${ANSWERS[$name]}"; done >answers
  for name in "\${SECRET_NAMES[@]}"; do echo "$name=\${SECRET[$name]}"; done >>answers; exit`

/** What was settled in the end, as one text. */
const settled = async (bench: Bench) => (await bench.run('cat answers faults')).stdout.trim()

test('each answer is looked at when it is given, and asked for again until it is good; nothing is asked twice', async (t) => {
  await using bench = await Bench.open()
  await using terminal = await Terminal.open(bench, ask)
  await terminal.answer(/Host name.*: $/, 'not a host')
  await terminal.see(/'not a host': not a host name/)
  await terminal.answer(/Host name.*: $/, 'Files.example.org')
  await terminal.answer(/TLS.*\[acme\]: $/, 'letsencrypt')
  await terminal.answer(/acme, self-signed or none\r?\nTLS.*: $/, '')
  await terminal.answer(/Mail address.*: $/, 'me at home')
  await terminal.answer(/not a mail address\r?\nMail address.*: $/, '')
  await terminal.answer(/Bot token.*: $/, 'abc')
  await terminal.answer(/form of a bot token.*\r?\nBot token.*: $/, secrets.TELEGRAM_BOT_TOKEN)
  await terminal.answer(/api id.*: $/, '0x12')
  await terminal.answer(/a number\r?\napi id.*: $/, secrets.TELEGRAM_API_ID)
  await terminal.answer(/api hash.*: $/, secrets.TELEGRAM_API_HASH)
  await terminal.answer(/Who may use the bot[\s\S]*\[claim\]: $/, '@me')
  await terminal.answer(/Telegram ids[\s\S]*\[claim\]: $/, '42,43')
  await terminal.answer(
    /telegram-bot-api program, or build.*takes about \d+ to \d+ minutes \[build\]: $/,
    '/nowhere',
  )
  await terminal.answer(/not a program\r?\nPath.*: $/, '/bin/true')
  t.is(await terminal.ended(), 0, terminal.shown)
  t.deepEqual((await settled(bench)).split('\n'), [
    'TGDEPOT_DOMAIN=Files.example.org',
    'TGDEPOT_TLS=acme',
    'TGDEPOT_EMAIL=',
    'TGDEPOT_ACME_SERVER=',
    'TGDEPOT_LISTEN=',
    'TGDEPOT_USERS=42,43',
    'TGDEPOT_DATABASE=',
    'TGDEPOT_BOT_API=/bin/true',
    'TGDEPOT_BOT_API_EGRESS=',
    ...Object.entries(secrets).map(([name, value]) => `${name}=${value}`),
  ])
  for (const secret of Object.values(secrets)) t.false(terminal.shown.includes(secret))
})

test('a flag is not asked for, unless it is wrong', async (t) => {
  await using bench = await Bench.open()
  const flags = `read_arguments --domain '-x' --tls self-signed --users everyone --bot-api /bin/true; `
  await using terminal = await Terminal.open(bench, flags + ask, secrets)
  await terminal.answer(/'-x': not a host name\r?\nHost name.*: $/, 'a.example')
  t.is(await terminal.ended(), 0, terminal.shown)
  t.notRegex(terminal.shown, /TLS|token|Who may/)
  t.regex(await settled(bench), /^TGDEPOT_DOMAIN=a\.example$/m)
})

test('questions come on the terminal when standard input and output are pipes', async (t) => {
  await using bench = await Bench.open()
  const piped = `(read_arguments --tls self-signed --users everyone --bot-api /bin/true; ${ask}) </dev/null | cat >printed; exit`
  await using terminal = await Terminal.open(bench, piped, secrets)
  await terminal.answer(/Host name.*: $/, 'a.example')
  t.is(await terminal.ended(), 0, terminal.shown)
  t.regex(await settled(bench), /^TGDEPOT_DOMAIN=a\.example$/m)
})

test('without a terminal nothing is asked, and what is missing is a fault', async (t) => {
  await using bench = await Bench.open()
  const { status, stderr } = await bench.run(ask)
  t.is(status, 0, stderr)
  t.regex(await settled(bench), /^no domain/m)
})

test('Ctrl-D at a question ends it, with nothing changed', async (t) => {
  await using bench = await Bench.open()
  await using terminal = await Terminal.open(bench, ask)
  await terminal.answer(/Host name.*: $/, 'a.example')
  await terminal.see(/TLS.*: $/)
  terminal.type('\x04')
  t.is(await terminal.ended(), 1)
  t.regex(terminal.shown, /nothing was changed: a question was left open/)
})

test('a terminal that is gone at a question ends it', async (t) => {
  await using bench = await Bench.open()
  await using terminal = await Terminal.open(bench, `trap 'touch ended' EXIT; ${ask}`)
  await terminal.see(/Host name.*: $/)
  await terminal.hangUp()
  t.is(
    (await bench.run('for i in {1..100}; do [[ ! -e ended ]] || break; sleep 0.1; done; ls')).stdout.includes(
      'answers',
    ),
    false,
  )
})

test('whose address it is, who may use the bot and a build are asked only where it matters', async (t) => {
  await using bench = await Bench.open()
  const before = `printf 'TGDEPOT_DOMAIN=a.example\\nTGDEPOT_TLS=self-signed\\n' >"$ETC/answers"
    for name in "\${SECRET_NAMES[@]}"; do echo kept >"$SECRETS/$name"; done
    mkdir -p "$OPT/bot-api/\${BOT_API_COMMIT:0:12}"; install -m 0755 /bin/true "$OPT/bot-api/\${BOT_API_COMMIT:0:12}/telegram-bot-api"
    `
  await using terminal = await Terminal.open(bench, before + ask)
  await terminal.answer(/Host name.*\[a\.example\]: $/, '')
  await terminal.answer(/TLS.*\[self-signed\]: $/, '')
  for (const _ of Object.keys(secrets)) await terminal.answer(/empty keeps the present one\): $/, '')
  await terminal.answer(/Who may use the bot[\s\S]*or empty for those whom the settings name: $/, '')
  t.is(await terminal.ended(), 0, terminal.shown)
  t.notRegex(await settled(bench), /USERS=.|BOT_API=./)
})

test('Telegram’s word on a token counts, and the token stands in no argument', async (t) => {
  await using bench = await Bench.open()
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const other = `${server.token.split(':')[0]}:${'B'.repeat(35)}`
  await bench.fake('curl', 'echo "$0 $*" >>"$HOME/arguments"; exec /usr/bin/curl "$@"')
  const script = `BOT_API_URL=${server.url}; server_listens() { :; }
    `
  await using terminal = await Terminal.open(
    bench,
    `${script}read_arguments --domain a.example --tls self-signed --users everyone --bot-api /bin/true; ${ask}`,
    { TELEGRAM_API_ID: secrets.TELEGRAM_API_ID, TELEGRAM_API_HASH: secrets.TELEGRAM_API_HASH },
  )
  await terminal.answer(/Bot token.*: $/, other)
  await terminal.answer(/not known to Telegram.*\r?\nBot token.*: $/, server.token)
  t.is(await terminal.ended(), 0, terminal.shown)
  t.true((await settled(bench)).includes(server.token))

  const flags = `${script}read_arguments --yes --domain a.example --tls self-signed --users everyone --bot-api /bin/true; ${ask}`
  await bench.run(flags, { ...secrets, TELEGRAM_BOT_TOKEN: other })
  t.regex(await settled(bench), /TELEGRAM_BOT_TOKEN is not known to Telegram/)
  t.regex((await bench.run(`${script}bot_name '${server.token}'`)).stdout, /^\w+_bot$/)
  const { stdout } = await bench.run('cat arguments')
  t.true(stdout.includes('--config -'))
  t.false(stdout.includes(server.token) || stdout.includes(other))
})

test('a token is told to nobody but our Bot API server, and without one its form alone counts', async (t) => {
  await using bench = await Bench.open()
  let connections = 0
  const thief = createServer(() => connections++).listen(0, '127.0.0.1')
  t.teardown(() => thief.close())
  await once(thief, 'listening')
  const { port } = thief.address() as { port: number }
  const { status } = await bench.run(
    `BOT_API_URL=http://127.0.0.1:${port}; is_refused '${secrets.TELEGRAM_BOT_TOKEN}' || exit 4`,
  )
  t.is(status, 4)
  t.is(connections, 0)
})

test('a build takes as long as its processors and its memory let it', async (t) => {
  await using bench = await Bench.open()
  const estimate = async (mb: number, processors: number) =>
    (
      await bench.run(`memory_mb() { echo ${mb}; }; nproc() { echo ${processors}; }; estimate_build`)
    ).stdout.trim()
  t.is(await estimate(64_000, 8), 'about 7 to 15 minutes')
  t.is(await estimate(4096, 2), 'about 30 to 60 minutes')
  t.is(await estimate(1024, 1), 'about 90 to 180 minutes')
})

test('who may use the bot becomes settings, and the answer of the run before leaves none behind', async (t) => {
  await using bench = await Bench.open()
  const write = (users: string) => `ANSWERS=([TGDEPOT_DOMAIN]=a.example [TGDEPOT_USERS]=${users})
    write_settings >new; mv new "$ETC/tgdepot.env"; save_answers; grep -h USERS "$ETC/tgdepot.env" || echo none
    `
  const script = `save_answers() { printf 'TGDEPOT_USERS=%s\\n' "\${ANSWERS[TGDEPOT_USERS]}" >"$ETC/answers"; }
    `
  const { stdout, stderr } = await bench.run(
    script + write('42,43') + write('42,43') + write('44') + write('everyone') + write('44') + write('claim'),
  )
  const of = (first: string, all: string) => `ADMIN_USERS=${first}\nALLOWED_USERS=${all}\n`
  t.is(stdout, `${of('42', '42,43').repeat(2)}${of('44', '44')}none\n${of('44', '44')}none\n`, stderr)
  const own = await bench.run(
    `${script}${write('42')}sed -i 's/^ALLOWED_USERS=.*/ALLOWED_USERS=42,7/' "$ETC/tgdepot.env"; ${write('42')}`,
  )
  t.regex(own.stdout, /ALLOWED_USERS=42\nALLOWED_USERS=42,7\n$/, 'a line of the owner’s comes last, and wins')
})

test('the code that makes an owner is made once, is root’s alone, and goes with another answer', async (t) => {
  await using bench = await Bench.open()
  const { stdout, stderr } = await bench.run(`ANSWERS[TGDEPOT_USERS]=claim; make_claim_code
    file=$SECRETS/CLAIM_CODE; stat -c %a "$file"; cat "$file" | tee first; make_claim_code; forget_claim_code; cmp first "$file" && echo same
    cat log; ANSWERS[TGDEPOT_USERS]=''; forget_claim_code; ls "$SECRETS"
    ANSWERS[TGDEPOT_USERS]=everyone; forget_claim_code; ls -A "$SECRETS"`)
  t.regex(stdout, /^600\nCLAIM_CODE=[A-Za-z0-9_-]{22}\nsame\nCLAIM_CODE\n$/, stderr)
})

test('who goes back to a release without owners hears that the bot is open, unless it is not', async (t) => {
  await using bench = await Bench.open()
  const back = `mkdir -p "$OPT/releases/1/app"; ln -sfn releases/1 "$OPT/current"; echo CLAIM_CODE=x >"$SECRETS/CLAIM_CODE"
    : >"$ETC/tgdepot.env"; `
  const { stderr } = await bench.run(`${back} warn_of_open_bot`)
  t.regex(stderr, /^note +release 1 knows no owner of the bot: whoever finds it may use it/)
  for (const safe of [
    'echo ALLOWED_USERS=42 >"$ETC/tgdepot.env"',
    'rm "$SECRETS/CLAIM_CODE"',
    'mkdir "$OPT/releases/1/app/claim"',
  ])
    t.is((await bench.run(`${back}${safe}; warn_of_open_bot`)).stderr, '', safe)
})

test('the link for the owner is shown until the bot has one, and is in no log', async (t) => {
  await using bench = await Bench.open()
  await using server = await startBotApi()
  const script = `BOT_API_URL=${server.url}; server_listens() { [[ ! -e down ]]; }; COMMAND=$PWD/bin/tgdepot
    ANSWERS[TGDEPOT_USERS]=claim; make_claim_code; printf %s '${server.token}' >"$SECRETS/TELEGRAM_BOT_TOKEN"
    `
  await bench.fake('tgdepot', '[[ $1 == owner ]] && echo nobody yet')
  const username = ((await callApi(server, 'getMe')).result as { username: string }).username
  const { stdout: open } = await bench.run(`${script}show_claim`)
  t.regex(open, new RegExp(`https://t\\.me/${username}\\?start=[A-Za-z0-9_-]{22}\\n$`))
  t.regex(
    (await bench.run(`${script}touch down; show_claim; rm down`)).stdout,
    /sends it this message:\n {2}\/start [A-Za-z0-9_-]{22}\n$/,
  )
  const code = /start=(.*)\n/.exec(open)?.[1] ?? ''
  t.false((await bench.run('cat log; cat "$RUN"/* "$ETC"/answers || true')).stdout.includes(code))
  await bench.fake('tgdepot', '[[ $1 == owner ]] && echo 42')
  t.is((await bench.run(`${script}show_claim`)).stdout, '')
})
