import { type Depot, units } from '../depot.ts'
import { waitFor } from '../host.ts'
import type { Step } from '../step.ts'

/** Stops a process without ending it, and returns its number: for systemd it is as active as before. */
async function freeze({ machine }: Depot, pid: string): Promise<string> {
  await machine.sh(`kill -STOP ${pid}`)
  return pid
}

const nginxPid = ({ machine }: Depot) => machine.sh('cat /run/nginx.pid')

export const hangs: Step[] = [
  {
    title:
      'the bot, the web role, the Bot API server and its helper, each hanging, are started anew by systemd',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      const pid = (unit: string) => depot.property(unit, 'MainPID')
      for (const unit of units) t.is(await depot.property(unit, 'Type'), 'notify', unit)
      const web = 'tgdepot-web.service'
      const others = ['tgdepot-bot.service', 'tgdepot-api-helper.service']
      const before = new Map<string, string>()
      for (const unit of [web, ...others]) before.set(unit, await freeze(depot, await pid(unit)))
      // The server itself, not what starts it.
      const api = 'tgdepot-bot-api.service'
      before.set(api, await pid(api))
      const [server = ''] = (await machine.sh(`pgrep --parent ${await pid(api)}`)).split('\n')
      await freeze(depot, server)
      const began = performance.now()
      for (const [unit, old] of before) {
        await waitFor(`${unit} to be another process`, 300_000, async () => {
          const isActive = (await depot.property(unit, 'ActiveState')) === 'active'
          return isActive && !['0', old].includes(await pid(unit))
        })
        t.log(`${unit}: after ${Math.round((performance.now() - began) / 1000)} s at most`)
      }
      t.is((await machine.run(`test -e /proc/${server}`)).code, 1, 'the server that hung is gone')
      await depot.waitForHealth(200, 90_000)
      const journal = await machine.sh(
        "journalctl --no-pager --output=cat --grep='[Ww]atchdog' -u 'tgdepot-*'",
      )
      for (const unit of before.keys()) t.regex(journal, new RegExp(`${unit}: Watchdog timeout`), unit)
      const file = await depot.send(1040, { kind: 'document', name: 'after the hang.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'nothing that works is taken for hanging, and a stopped Telegram server restarts nobody',
    async run(t, depot) {
      const { machine } = depot
      await machine.sh('systemctl stop tgdepot-bot-api.service', { timeout: 90_000 })
      const restarts = async () =>
        Promise.all(
          ['tgdepot-bot.service', 'tgdepot-web.service'].map((unit) => depot.property(unit, 'InvocationID')),
        )
      const before = await restarts()
      await machine.sh('systemctl restart tgdepot-bot.service')
      const [bot, web] = await restarts()
      t.not(bot, before[0])
      t.is(await depot.property('tgdepot-bot.service', 'ActiveState'), 'active', 'started without a server')
      // Longer than the web role's limit.
      await new Promise((wake) => setTimeout(wake, 70_000))
      t.deepEqual(await restarts(), [bot, web])
      await machine.sh('systemctl start tgdepot-bot-api.service')
      await depot.waitForHealth(200, 90_000)
    },
  },
  {
    title: 'nginx, killed, comes back by itself',
    async run(t, depot) {
      const before = await nginxPid(depot)
      // systemd takes the workers along, unless the test's own machine keeps it from seeing them.
      await depot.machine.sh(`kill -KILL ${before} $(pgrep --parent ${before})`)
      await waitFor('another nginx', 30_000, async () => {
        const now = (await depot.machine.run('cat /run/nginx.pid')).stdout.trim()
        return now !== before && (await depot.property('nginx.service', 'ActiveState')) === 'active'
      })
      await depot.waitForHealth(200)
      t.not(await nginxPid(depot), before)
    },
  },
  {
    title: 'the log of links is rotated, nginx goes on in a new one, and no stranger reads either',
    async run(t, depot) {
      const { machine } = depot
      await depot.get('/before-the-rotation')
      await machine.sh('logrotate --force /etc/logrotate.d/tgdepot')
      const log = '/var/log/tgdepot/access.log'
      await waitFor('the new log', 10_000, async () => {
        await depot.get('/after-the-rotation')
        return (await machine.readFile(log)).includes('/after-the-rotation')
      })
      t.false((await machine.readFile(log)).includes('/before-the-rotation'))
      t.true((await machine.readFile(`${log}.1`)).includes('/before-the-rotation'))
      const modes = await machine.sh(`stat --format='%a %U %G' ${log} ${log}.1`)
      t.deepEqual(modes.split('\n'), ['640 www-data adm', '640 www-data adm'])
      t.regex(await machine.sh('systemctl is-enabled logrotate.timer'), /enabled/)
    },
  },
]
