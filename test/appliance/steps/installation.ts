import { checkout, type Depot, domain, manifest, standIn, units } from '../depot.ts'
import { waitFor } from '../host.ts'
import type { Step } from '../step.ts'

const flags = `--yes --domain ${domain} --tls self-signed --users everyone --bot-api ${standIn}`

/** What changes when a unit is started anew, and the workers that nginx replaces at a reload. */
async function runState({ machine }: Depot): Promise<string> {
  const properties = 'Id,MainPID,InvocationID,ActiveEnterTimestampMonotonic'
  const shown = [...manifest.map(({ unit }) => unit), 'nginx.service'].join(' ')
  return machine.sh(
    `systemctl show --property=${properties} ${shown}; pgrep --parent $(cat /run/nginx.pid) | sort`,
  )
}

export const installation: Step[] = [
  {
    title: 'an installation without secrets names all that is missing and changes nothing',
    async run(t, depot) {
      const { code, stderr } = await depot.install(
        `--yes --domain ${domain} --tls self-signed --users everyone --bot-api ${standIn}`,
      )
      t.not(code, 0)
      for (const name of Object.keys(depot.secrets)) t.regex(stderr, new RegExp(name))
      for (const path of ['/opt/tgdepot', '/etc/tgdepot', '/var/lib/tgdepot']) {
        t.not((await depot.machine.run(`test -e ${path}`)).code, 0, path)
      }
    },
  },
  {
    title: 'killed while dpkg unpacks, it leaves a dpkg that the next run lets end',
    async run(t, depot) {
      const { TELEGRAM_API_ID, TELEGRAM_API_HASH } = depot.secrets
      const unpacking = `until grep -qs 'status half-installed nginx' /var/log/dpkg.log; do kill -0 $!; done`
      await depot.machine.sh(
        `cd ${checkout} && { setsid ./install.sh ${flags} --bot-token-file /root/secrets/token >/dev/null 2>&1 &
          ${unpacking}; kill -KILL -$!; wait $! || true; }`,
        { env: { TELEGRAM_API_ID, TELEGRAM_API_HASH }, timeout: 100_000 },
      )
      const isAtWork = () => depot.machine.run('pgrep -x dpkg')
      await waitFor('dpkg to be gone', 10_000, async () => (await isAtWork()).code !== 0)
      t.not(await depot.machine.sh('ls /var/lib/dpkg/updates'), '')
    },
  },
  {
    title: 'one command installs it, and everything answers',
    isBasic: true,
    limit: 420,
    async run(t, depot) {
      const { TELEGRAM_API_ID, TELEGRAM_API_HASH } = depot.secrets
      const env = { TELEGRAM_API_ID, TELEGRAM_API_HASH }
      const { code, stdout, stderr } = await depot.install(
        `${flags} --bot-token-file /root/secrets/token`,
        env,
      )
      t.is(code, 0, stdout + stderr)
      for (const unit of units) t.is(await depot.property(unit, 'ActiveState'), 'active', unit)
      const { status, parts } = await depot.health()
      t.is(status, 200, JSON.stringify(parts))
      t.true(Object.values(parts).every(({ ok }) => ok))
      t.deepEqual(await depot.failedUnits(), [])
    },
  },
  {
    title: 'nginx has connections for thousands of visitors, and files for all of them',
    async run(t, depot) {
      const workers = await depot.machine.sh('pgrep --parent $(cat /run/nginx.pid)')
      for (const pid of workers.split('\n')) {
        const limits = await depot.machine.sh(`grep '^Max open files' /proc/${pid}/limits`)
        t.true(Number(/files +(\d+)/.exec(limits)?.[1]) >= 16_384, limits)
      }
      t.regex(await depot.machine.sh('nginx -T 2>/dev/null'), /^\s*worker_connections 16384;/m)
      t.is(await depot.machine.sh('nginx -t -q 2>&1'), '')
    },
  },
  {
    title: 'the same command again says so and restarts nothing',
    limit: 420,
    async run(t, depot) {
      const before = await runState(depot)
      const { code, stdout, stderr } = await depot.install(flags)
      t.is(code, 0, stdout + stderr)
      t.is(await runState(depot), before)
      t.notRegex(stdout, /^changed/m)
      t.regex(stdout, /^ok /m)
    },
  },
  {
    title: 'the same command without flags remembers its answers',
    limit: 420,
    async run(t, depot) {
      const before = await runState(depot)
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      t.is(await runState(depot), before)
      t.notRegex(stdout, /^changed/m)
    },
  },
  {
    title: "all of the program is root's, and nobody else can change it",
    async run(t, depot) {
      t.is(await depot.machine.sh('find /opt/tgdepot ! -uid 0 -o ! -gid 0'), '')
      t.is(await depot.machine.sh('find /opt/tgdepot ! -type l -perm /022'), '')
    },
  },
  {
    title: "the installer needs neither npm nor a Node of the machine's",
    async run(t, depot) {
      t.not((await depot.machine.run('command -v npm || command -v node')).code, 0)
      t.is(await depot.machine.sh("dpkg --get-selections 'node-*' 'nodejs*' npm 2>/dev/null"), '')
    },
  },
  {
    title:
      'a library that was changed, its size kept, is put right, is never run as root, and those that ran it restart',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      const library = '/opt/tgdepot/current/node_modules/pino/pino.js'
      const before = await machine.sh(`sha256sum <${library}`)
      const pid = await depot.property('tgdepot-bot.service', 'MainPID')
      const code = "if(process.getuid()===0)require('fs').writeFileSync('/root/taken','')//"
      // Over the first line, as long as it was.
      await machine.sh(`perl -0pi -e 's/^.{${code.length}}/$ENV{CODE}/s' ${library}`, {
        env: { CODE: code },
      })
      // As an earlier release left them.
      await machine.sh('chown 1000:1000 /opt/tgdepot/current/node_modules/koa/package.json')
      await machine.sh('chmod 0666 /opt/tgdepot/current/node_modules/koa/package.json')
      t.not(await machine.sh(`sha256sum <${library}`), before)
      const { code: status, stdout, stderr } = await depot.install('--yes')
      t.is(status, 0, stdout + stderr)
      t.is(await machine.sh(`sha256sum <${library}`), before)
      t.not((await machine.run('test -e /root/taken')).code, 0)
      t.not(await depot.property('tgdepot-bot.service', 'MainPID'), pid)
      t.is(await machine.sh('find /opt/tgdepot ! -uid 0 -o ! -type l -perm /022'), '')
    },
  },
  {
    title: 'a site of ours that nginx refuses, as a killed run may leave it, is written anew',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      const nginx = await depot.property('nginx.service', 'MainPID')
      await machine.sh('rm -r /etc/tgdepot/tls /etc/nginx/tgdepot')
      t.not((await machine.run('nginx -t')).code, 0)
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      t.is((await machine.run('nginx -t')).code, 0)
      t.is(await depot.property('nginx.service', 'MainPID'), nginx)
      // Another site's fault is its owner's.
      await machine.sh('echo oops >/etc/nginx/sites-enabled/other')
      const refused = await depot.install('--yes')
      t.is(refused.code, 2)
      t.regex(refused.stderr, /nginx refuses its present configuration: .*sites-enabled\/other/)
      await machine.sh('rm /etc/nginx/sites-enabled/other')
    },
  },
  {
    title: 'a token that Telegram does not know is refused before anything is touched',
    async run(t, depot) {
      const before = await runState(depot)
      const [id] = depot.secrets.TELEGRAM_BOT_TOKEN.split(':')
      await depot.machine.writeFile('/root/secrets/other', `${id}:${'B'.repeat(35)}`, 0o600)
      const { code, stderr } = await depot.install('--yes --bot-token-file /root/secrets/other')
      t.is(code, 2)
      t.regex(stderr, /TELEGRAM_BOT_TOKEN is not known to Telegram/)
      t.is(await runState(depot), before)
    },
  },
  {
    title: 'a lost connection does not end the installer, and another terminal shows the rest of it',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      await machine.sh('DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends sudo', {
        timeout: 120_000,
      })
      // Another release takes a while, so that the connection is lost in the middle of it.
      const before = await machine.sh('readlink /opt/tgdepot/current')
      await machine.sh(`echo >>${checkout}/README.md`)
      const command = `cd ${checkout} && exec script --quiet --return --command 'sudo ./install.sh --yes' /dev/null`
      await machine.sh(
        `systemd-run --quiet --collect --unit=connection --property=KillMode=process --setenv=TERM=dumb sh -c "${command}"`,
      )
      const step = () => machine.readFile('/run/tgdepot-install/output')
      await waitFor('the release to be made', 60_000, async () => /Release$/.test(await step()))
      await machine.sh('systemctl kill --kill-whom=main --signal=KILL connection')
      const { code, stdout } = await machine.run(`${checkout}/install.sh --attach`, { timeout: 300_000 })
      t.is(code, 0, stdout)
      t.regex(stdout, /ok +Machine and answers[\s\S]*changed +Release[\s\S]*every unit is active/)
      t.not(await machine.sh('readlink /opt/tgdepot/current'), before)
    },
  },
  {
    title: 'the link that makes an owner is printed and in no log, and its code goes with another answer',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      const secret = '/etc/tgdepot/secrets/CLAIM_CODE'
      const { code, stdout, stderr } = await depot.install('--yes --users claim')
      t.is(code, 0, stdout + stderr)
      const link = /https:\/\/t\.me\/\w+_bot\?start=([A-Za-z0-9_-]{22})$/m.exec(stdout)?.[1] ?? 'none'
      t.is((await machine.readFile(secret)).trim(), `CLAIM_CODE=${link}`)
      t.is(await machine.sh(`stat --format='%a %U' ${secret}`), '600 root')
      const places =
        '/var/log/tgdepot-install.log /etc/tgdepot/answers /etc/tgdepot/tgdepot.env /run/tgdepot-install'
      t.not((await machine.run(`grep -rF -e '${link}' ${places}`)).code, 0)
      t.is((await machine.run(`journalctl --output=export --all | grep -cF -e '${link}'`)).stdout.trim(), '0')
      const pid = await depot.property('tgdepot-bot.service', 'MainPID')
      t.regex(
        await machine.sh(`tr '\\0' '\\n' </proc/${pid}/environ`),
        new RegExp(`^CLAIM_CODE=${link}$`, 'm'),
      )
      t.true((await machine.run(`${checkout}/install.sh --attach`)).stdout.includes(link))
      t.is((await depot.install('--yes --users everyone')).code, 0)
      t.not((await machine.run(`test -e ${secret}`)).code, 0)
    },
  },
  {
    title: 'no other user can hold up the installer',
    async run(t, depot) {
      const lock = 'flock --nonblock /run/tgdepot-install/lock true'
      t.not((await depot.machine.run(`setpriv --reuid=nobody --clear-groups ${lock}`)).code, 0)
      t.is((await depot.machine.run(lock)).code, 0)
    },
  },
]
