import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'ava'
import { Bench } from './bash.ts'

const look = `check_dns; printf '%s\\n' "\${FAULTS[@]}"`

/** A machine with these addresses, and a name that leads to those. */
async function openNamed(own: string[], named: string[]): Promise<Bench> {
  const bench = await Bench.open()
  await bench.fake(
    'ip',
    own.map((one) => `echo "2: eth0    inet ${one}/24 scope global eth0"`).join('\n') || 'true',
  )
  await bench.fake(
    'getent',
    named.map((one) => `echo "${one} STREAM files.example.org"`).join('\n') || 'true',
  )
  return bench
}

const by = (tls: string) => `ANSWERS=([TGDEPOT_DOMAIN]=files.example.org [TGDEPOT_TLS]=${tls})
  listeners() { :; }; ${look}`

test('an authority’s way to this machine is looked at before anything is built, by every address of the name', async (t) => {
  const cases: { own: string[]; named: string[]; fault?: RegExp; note?: RegExp }[] = [
    { own: ['203.0.113.5'], named: ['203.0.113.5'] },
    { own: ['203.0.113.5'], named: [], fault: /has no address yet/ },
    {
      own: ['203.0.113.5'],
      named: ['203.0.113.9'],
      fault: /leads to 203\.0\.113\.9, which is not an address of this/,
    },
    {
      own: ['203.0.113.5', '2001:db8::5'],
      named: ['203.0.113.5', '2001:db8::9'],
      fault: /leads to 2001:db8::9/,
    },
    { own: ['203.0.113.5', '2001:db8::5'], named: ['203.0.113.5', '2001:db8::5'] },
    // Debian's own line for a machine that was given the name.
    { own: ['203.0.113.5'], named: ['127.0.1.1'], note: /whether DNS does too cannot be told from here/ },
    {
      own: ['203.0.113.5'],
      named: ['127.0.0.1', '203.0.113.9'],
      note: /DNS/,
      fault: /leads to 203\.0\.113\.9/,
    },
    { own: ['192.168.1.5'], named: ['203.0.113.9'], note: /is that the router .* does it pass port 80 on\?/ },
    { own: ['192.168.1.5', '2001:db8::5'], named: ['203.0.113.9', '2001:db8::5'], note: /router/ },
    {
      own: ['192.168.1.5'],
      named: ['203.0.113.9', '2001:db8::9'],
      note: /router/,
      fault: /leads to 2001:db8::9/,
    },
  ]
  for (const { own, named, fault = /^\s*$/, note = /^\s*$/ } of cases) {
    await using bench = await openNamed(own, named)
    const { stdout, stderr } = await bench.run(by('acme'))
    const what = `${own} ${named}`
    t.regex(stdout, fault, what)
    t.regex(stderr, note, what)
  }
})

test('without an authority a wrong address is a note, and without TLS nobody’s affair', async (t) => {
  await using bench = await openNamed(['203.0.113.5'], ['203.0.113.9'])
  const noted = await bench.run(by('self-signed'))
  t.is(noted.stdout.trim(), '')
  t.regex(noted.stderr, /^note .*leads to 203\.0\.113\.9/)
  t.like(await bench.run(by('none')), { status: 0, stderr: '' })
})

test('a web server of this machine that an address of the name does not reach is a fault', async (t) => {
  await using bench = await openNamed(['127.0.0.1', '127.0.0.9'], ['127.0.0.1', '127.0.0.9'])
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const { stdout } =
    await bench.run(`can_connect() { timeout 5 bash -c ': 3<>"/dev/tcp/$0/${port}"' "$1" 2>/dev/null; }
    ${by('acme').replace('listeners() { :; }', 'listeners() { echo nginx 1; }')}`)
  t.regex(stdout.trim(), /^port 80 of 127\.0\.0\.9 does not take connections[^\n]*$/)
})

test('a certificate can be had without a mail address', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('certbot', 'echo "$*" >>"$HOME/calls"')
  const get = (email: string) => `ANSWERS[TGDEPOT_EMAIL]='${email}'; get_certificate
    `
  const { status, stderr } = await bench.run(`
    CERTBOT_HOOK=$PWD/hook/x ACME_ROOT=$PWD/acme CHALLENGE_SITE=$PWD/site CERTIFICATE=$PWD/none
    offer_challenge() { :; }; ANSWERS=([TGDEPOT_DOMAIN]=a.example [TGDEPOT_ACME_SERVER]=); ${get('')}${get('me@a.example')}`)
  t.is(status, 0, stderr)
  const [without, withOne] = (await bench.run('cat calls')).stdout.split('\n')
  t.regex(without ?? '', /--agree-tos --register-unsafely-without-email --webroot/)
  t.regex(withOne ?? '', /--agree-tos --email me@a\.example --webroot/)
})
