import { type Depot, domain, standIn, units } from '../depot.ts'
import type { Step } from '../step.ts'

const flags = `--yes --domain ${domain} --tls self-signed --users everyone --bot-api ${standIn}`

/** What changes when a unit is started anew, and the workers that nginx replaces at a reload. */
async function runState({ machine }: Depot): Promise<string> {
  const properties = 'Id,MainPID,InvocationID,ActiveEnterTimestampMonotonic'
  const shown = [...units, 'tgdepot.target', 'tgdepot-firewall.service', 'nginx.service'].join(' ')
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
    title: 'no other user can hold up the installer',
    async run(t, depot) {
      const lock = 'flock --nonblock /run/tgdepot-install/lock true'
      t.not((await depot.machine.run(`setpriv --reuid=nobody --clear-groups ${lock}`)).code, 0)
      t.is((await depot.machine.run(lock)).code, 0)
    },
  },
]
