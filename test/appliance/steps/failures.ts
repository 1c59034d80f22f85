import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Depot, units } from '../depot.ts'
import { waitFor } from '../host.ts'
import type { Step } from '../step.ts'

/** That a file of earlier steps still comes, by its link. */
async function stillDownloads(depot: Depot, name = 'ranges'): Promise<boolean> {
  const { url, sha256 } = depot.file(name)
  return (await depot.download(url)) === sha256
}

/** A time for `journalctl --since`, as the machine's clock has it. */
function now({ machine }: Depot): Promise<string> {
  return machine.sh("date '+%F %T'")
}

export const failures: Step[] = [
  {
    title: 'without the bot files still download, /health is 503, and what was sent meanwhile gets its link',
    async run(t, depot) {
      await depot.machine.sh('systemctl stop tgdepot-bot.service', { timeout: 60_000 })
      t.true(await stillDownloads(depot))
      const { status, parts } = await depot.health()
      t.is(status, 503)
      t.false(parts.bot_api?.ok)
      t.true(parts.database?.ok)
      const waiting = depot.send(1020, { kind: 'document', name: 'patient.bin' }, 60_000)
      await depot.machine.sh('systemctl start tgdepot-bot.service')
      const file = await waiting
      t.is(await depot.download(file.url), file.sha256)
      await depot.waitForHealth(200)
    },
  },
  {
    title: 'without the web role a file gets its link, and visitors a polite 503',
    async run(t, depot) {
      await depot.machine.sh('systemctl stop tgdepot-web.socket tgdepot-web.service')
      const file = await depot.send(1021, { kind: 'document', name: 'unseen.bin' })
      const { status, headers } = await depot.get(file.url)
      t.is(status, 503)
      t.truthy(headers.get('retry-after'))
      await depot.machine.sh('systemctl start tgdepot-web.socket tgdepot-web.service')
      await depot.waitForHealth(200)
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'without the Bot API server /health says so, the log says it once, and files still download',
    async run(t, depot) {
      const since = await now(depot)
      await depot.machine.sh('systemctl stop tgdepot-bot-api.service', { timeout: 90_000 })
      await depot.waitForHealth(503, 30_000)
      const { parts } = await depot.health()
      t.false(parts.bot_api?.ok)
      t.true(parts.store?.ok && parts.database?.ok)
      t.true(await stillDownloads(depot))
      // Long enough for several vain attempts of the bot to connect.
      await new Promise((wake) => setTimeout(wake, 10_000))
      const lines = await depot.logOf('tgdepot-bot.service', `--since='${since}'`)
      const complaints = lines.filter(({ level }) => level === 'warn' || level === 'error')
      t.is(complaints.length, 1, complaints.map(({ message, reason }) => `${message} ${reason}`).join('; '))
      await depot.machine.sh('systemctl start tgdepot-bot-api.service')
      await depot.waitForHealth(200, 90_000)
      t.is(await depot.property('tgdepot-bot.service', 'ActiveState'), 'active')
    },
  },
  {
    title: 'everything restarted, the same links give the same bytes and validators',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      const before = (await depot.get(url, '--head')).headers
      await depot.machine.sh('systemctl restart tgdepot.target nginx.service', { timeout: 120_000 })
      await depot.waitForHealth(200)
      const after = (await depot.get(url, '--head')).headers
      for (const name of ['etag', 'last-modified', 'content-length'])
        t.is(after.get(name), before.get(name), name)
      for (const name of depot.sent.keys())
        if (name !== '2 GB') t.true(await stillDownloads(depot, name), name)
      const file = await depot.send(1022, { kind: 'document', name: 'after the restart.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'the web role restarted and killed under load loses no request',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      const ask = `$CURL --output /dev/null --write-out '%{http_code} ' --range 0-99 '${url}'`
      const folder = await mkdtemp(join(tmpdir(), 'load-'))
      const client = `(while ((SECONDS < 90)) && [[ ! -e ${folder}/end ]]; do ${ask} || echo "$?"; done) &`
      const asking = depot.visit(`${client.repeat(6)} wait`)
      const web = 'tgdepot-web.service'
      const pid = () => depot.property(web, 'MainPID')
      const commands = [
        `systemctl restart ${web}`,
        `systemctl kill --kill-whom=main --signal=KILL ${web}`,
        "systemctl restart 'tgdepot-*.service'",
        'systemctl restart tgdepot.target',
        'systemctl daemon-reexec && systemctl restart tgdepot.target',
        `systemctl kill --kill-whom=main --signal=KILL ${web}`,
      ]
      for (const command of commands) {
        const before = await pid()
        await depot.machine.sh(command, { timeout: 60_000 })
        await waitFor('another web role', 20_000, async () => !['0', before].includes(await pid()))
      }
      // One that is restarted answers within the clients' own patience, or they tell.
      await depot.waitForHealth(200, 90_000)
      await writeFile(join(folder, 'end'), '')
      const answers = (await asking).split(' ').filter(Boolean)
      t.true(answers.length > 50, `${answers.length} answers`)
      t.deepEqual(
        answers.filter((answer) => answer !== '206'),
        [],
      )
      await rm(folder, { recursive: true })
    },
  },
  {
    title: 'stopped with the target, the web role is not started by a visitor',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      const ask = `$CURL --output /dev/null --max-time 5 '${url}' || true`
      const asking = depot.visit(`while ((SECONDS < 8)); do ${ask}; done`)
      await depot.machine.sh('systemctl stop tgdepot.target', { timeout: 90_000 })
      await asking
      t.is((await depot.get('/')).status, 503)
      for (const unit of ['tgdepot-web.service', 'tgdepot-web.socket'])
        t.is(await depot.property(unit, 'ActiveState'), 'inactive', unit)
      await depot.machine.sh('systemctl start tgdepot.target')
      await depot.waitForHealth(200, 90_000)
    },
  },
  {
    title: 'each role killed comes back by itself',
    async run(t, depot) {
      for (const unit of units) {
        const before = await depot.property(unit, 'MainPID')
        await depot.machine.sh(`systemctl kill --kill-whom=main --signal=KILL ${unit}`)
        await waitFor(`${unit} to come back`, 30_000, async () => {
          const now = await depot.property(unit, 'MainPID')
          return now !== '0' && now !== before
        })
      }
      await depot.waitForHealth(200)
      const file = await depot.send(1023, { kind: 'document', name: 'after the kill.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'the machine rebooted, all of it is back, with the fence around the port',
    limit: 240,
    async run(t, depot) {
      await depot.machine.reboot()
      await depot.waitForHealth(200, 90_000)
      t.deepEqual(await depot.failedUnits(), [])
      t.true(await stillDownloads(depot))
      const file = await depot.send(1024, { kind: 'document', name: 'after the reboot.bin' })
      t.is(await depot.download(file.url), file.sha256)
      const call = 'curl --silent --max-time 5 --output /dev/null http://127.0.0.1:8081/'
      t.not((await depot.machine.run(`setpriv --reuid=nobody --clear-groups ${call}`)).code, 0)
      t.is((await depot.machine.run(call)).code, 0)
    },
  },
]
