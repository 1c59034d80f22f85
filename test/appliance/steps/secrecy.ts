import { type Depot, units } from '../depot.ts'
import type { Step } from '../step.ts'

/** The forms that a token can take in a path, an address or a message. */
function formsOf(token: string): string[] {
  const [id, key = ''] = token.split(':')
  return [key, `${id}%3A${key}`, Buffer.from(token).toString('base64').slice(0, -4)]
}

/** Where the token must be: the files it was given in, and the Bot API server's own folder. */
const rightPlaces = [
  /^\/root\/secrets\//,
  /^\/etc\/tgdepot\/secrets\/TELEGRAM_BOT_TOKEN$/,
  /^\/var\/lib\/tgdepot\/bot-api\//,
]

async function writeForms({ machine, secrets }: Depot): Promise<void> {
  // In a file, so that no search shows the token in the process list.
  await machine.writeFile('/root/secrets/forms', `${formsOf(secrets.TELEGRAM_BOT_TOKEN).join('\n')}\n`, 0o600)
}

export const secrecy: Step[] = [
  {
    title: 'the token is in no file of the machine but those it was given in',
    limit: 240,
    async run(t, depot) {
      await writeForms(depot)
      await depot.machine.sh('journalctl --flush; journalctl --sync')
      const search = 'grep --recursive --files-with-matches --text --fixed-strings --file=/root/secrets/forms'
      const { stdout } = await depot.machine.run(
        `${search} --devices=skip /etc /opt /root /run /srv /tmp /usr/local /var 2>/dev/null`,
        { timeout: 200_000 },
      )
      const found = stdout.split('\n').filter(Boolean)
      t.true(found.includes('/etc/tgdepot/secrets/TELEGRAM_BOT_TOKEN'), 'the search finds what is there')
      // A credential lies in memory, and only its unit's user may open it.
      const elsewhere = found.filter(
        (path) => !rightPlaces.some((place) => place.test(path)) && !path.startsWith('/run/credentials/'),
      )
      t.deepEqual(elsewhere, [])
      const names = await depot.machine.run(
        'find / -xdev -not -path "/var/lib/tgdepot/bot-api/*" | grep --text --fixed-strings --file=/root/secrets/forms',
      )
      t.is(names.stdout, '')
    },
  },
  {
    title: 'the token is in no line of the journal, of any unit',
    async run(t, depot) {
      await writeForms(depot)
      const count = await depot.machine.sh('journalctl --output=export --all | wc --lines')
      t.true(Number(count) > 1000, 'the journal is there')
      const { stdout } = await depot.machine.run(
        'journalctl --output=export --all | grep --text --count --fixed-strings --file=/root/secrets/forms',
      )
      t.is(stdout.trim(), '0')
    },
  },
  {
    title: 'the process list and the environments show no secret that others could read',
    async run(t, depot) {
      const { TELEGRAM_BOT_TOKEN, TELEGRAM_API_HASH } = depot.secrets
      const key = TELEGRAM_BOT_TOKEN.split(':')[1] ?? ''
      const commandLines = await depot.machine.sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
      t.true(commandLines.includes('telegram-bot-api') || commandLines.includes('main.ts'))
      for (const secret of [key, TELEGRAM_API_HASH]) t.false(commandLines.includes(secret))

      for (const unit of units) {
        const pid = await depot.property(unit, 'MainPID')
        const environment = await depot.machine.sh(`tr '\\0' '\\n' </proc/${pid}/environ`)
        t.regex(environment, /^INVOCATION_ID=/m, unit)
        t.false(environment.includes(key), unit)
        if (unit !== 'tgdepot-bot-api.service') t.false(environment.includes(TELEGRAM_API_HASH), unit)
        t.is((await depot.machine.sh(`systemctl show ${unit}`)).includes(key), false)
      }
    },
  },
  {
    title: 'no answer to a visitor and no output of the installer held the token',
    async run(t, depot) {
      t.true(depot.answers.length > 100)
      for (const form of formsOf(depot.secrets.TELEGRAM_BOT_TOKEN)) {
        t.false(depot.answers.some((answer) => answer.includes(form)))
        t.false(depot.printed.includes(form))
      }
      t.false(depot.printed.includes(depot.secrets.TELEGRAM_API_HASH))
    },
  },
]
