import { dataFolder, manifest, services, units } from '../depot.ts'
import { as, inside } from '../inside.ts'
import type { Step } from '../step.ts'

const secret = '/etc/tgdepot/secrets/TELEGRAM_BOT_TOKEN'
const database = `${dataFolder}/db/tgdepot.sqlite`

export const sandbox: Step[] = [
  {
    title: 'systemd finds no fault in the units, and rates their exposure at 1.2 at most',
    async run(t, depot) {
      const all = manifest.map(({ unit }) => unit).join(' ')
      const verified = await depot.machine.run(`systemd-analyze verify --man=no ${all}`)
      t.is(verified.stdout + verified.stderr, '')
      t.is(verified.code, 0)
      for (const unit of units) {
        const { stdout } = await depot.machine.run(`systemd-analyze security --no-pager ${unit}`)
        const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
        t.true(exposure <= 1.2, `${unit}: ${exposure}`)
        t.log(`${unit}: ${exposure}`)
      }
    },
  },
  {
    title: 'each unit runs as its own user with no capability',
    async run(t, depot) {
      for (const { unit, user } of services) {
        t.is(await depot.property(unit, 'User'), user)
        const pid = await depot.property(unit, 'MainPID')
        t.is(await depot.machine.sh(`stat --format=%U /proc/${pid}`), user)
        const status = await depot.machine.sh(`grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/${pid}/status`)
        t.regex(status.replaceAll(/\s+/g, ' '), /CapEff: 0+ NoNewPrivs: 1 Seccomp: 2/)
      }
    },
  },
  {
    title: 'the web role, taken over, reads its database but no token, no Bot API folder and no stored byte',
    async run(t, depot) {
      const unit = 'tgdepot-web.service'
      t.is((await inside(depot, unit, `head -c 6 ${database} && test -w ${database}`)).stdout, 'SQLite')
      const { uuid } = depot.file('ranges')
      const botPid = await depot.property('tgdepot-bot.service', 'MainPID')
      const refused = [
        `cat ${secret}`,
        `ls ${dataFolder}/bot-api`,
        `ls ${dataFolder}/store`,
        `cat ${depot.storePath(uuid)}`,
        'ls /run/credentials/tgdepot-bot.service',
        `cat /proc/${botPid}/environ`,
        `ls /proc/${botPid}/cwd/`,
        'ls /root /home/.',
        'touch /opt/tgdepot/current/app/main.ts',
        'touch /etc/tgdepot/tgdepot.env',
        'curl --silent --max-time 5 http://127.0.0.1:8081/',
        'curl --silent --max-time 5 http://127.0.0.1:80/',
      ]
      for (const command of refused) t.not((await inside(depot, unit, command)).code, 0, command)
      t.is(
        (await inside(depot, unit, `cat ${secret} /proc/self/environ`)).stdout.includes(
          depot.secrets.TELEGRAM_BOT_TOKEN,
        ),
        false,
      )
      const links = await inside(depot, unit, 'ip -oneline link')
      t.regex(links.stdout, /^\d+: lo: .*\n$/)
    },
  },
  {
    title:
      'the Bot API server sees its own folder alone, and the bot neither secret files nor a way to change settings',
    async run(t, depot) {
      const server = 'tgdepot-bot-api.service'
      t.is((await inside(depot, server, `test -w ${dataFolder}/bot-api`)).code, 0)
      for (const path of [database, `${dataFolder}/store/.`, secret, '/run/tgdepot/web.sock']) {
        t.not((await inside(depot, server, `ls ${path}`)).code, 0, path)
      }
      t.not((await inside(depot, 'tgdepot-bot.service', `cat ${secret}`)).code, 0)
      t.not((await inside(depot, 'tgdepot-bot.service', 'touch /etc/tgdepot/x')).code, 0)
    },
  },
  {
    title: 'nginx’s workers read stored files and nothing else of ours',
    async run(t, depot) {
      const { uuid, sha256 } = depot.file('ranges')
      const asWorker = (command: string) =>
        depot.machine.run(`setpriv --reuid=www-data --regid=tgdepot-files --init-groups ${command}`)
      t.is((await asWorker(`sha256sum ${depot.storePath(uuid)}`)).stdout.slice(0, 64), sha256)
      const refused = [
        `touch ${depot.storePath(uuid)}`,
        `touch ${dataFolder}/store/${uuid.slice(0, 2)}/x`,
        `cat ${database}`,
        `ls ${dataFolder}/db`,
        `ls ${dataFolder}/bot-api`,
        `cat ${secret}`,
        'ls /etc/tgdepot/secrets',
        'ls /run/credentials/tgdepot-bot.service',
        'curl --silent --max-time 5 http://127.0.0.1:8081/',
      ]
      for (const command of refused) t.not((await asWorker(command)).code, 0, command)
    },
  },
  {
    title: 'another local user reaches neither the socket, nor the Bot API port, nor a file',
    async run(t, depot) {
      const { uuid } = depot.file('ranges')
      const socket =
        'curl --silent --max-time 5 --output /dev/null --unix-socket /run/tgdepot/web.sock http://localhost/health'
      const port = 'curl --silent --max-time 5 --output /dev/null http://127.0.0.1:8081/'
      // Both answer whoever may ask: otherwise a refusal below would mean nothing.
      for (const command of [socket, port]) t.is((await depot.machine.run(command)).code, 0, command)
      t.is((await as(depot, 'tgdepot', port)).code, 0)
      const refused = [
        socket,
        port,
        port.replace('127.0.0.1', '127.0.0.2'),
        port.replace('127.0.0.1', depot.machine.address),
        `cat ${depot.storePath(uuid)}`,
        `ls ${dataFolder}/`,
        `cat ${database}`,
        `cat ${secret}`,
        'cat /var/log/tgdepot/access.log',
        'cat /var/log/tgdepot-install.log',
      ]
      for (const command of refused) t.not((await as(depot, 'nobody', command)).code, 0, command)
    },
  },
]
