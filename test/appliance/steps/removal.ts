import { checkout, dataFolder, standInFolder, units } from '../depot.ts'
import type { Step } from '../step.ts'

/** Everything in the machine that bears our name, apart from what the test brought. */
const ours = `find / -xdev -name '*tgdepot*' -not -path '${checkout}*' -not -path '${standInFolder}*' -not -path '/root/*'`

export const removal: Step[] = [
  {
    title: 'uninstalled, nothing of it runs, and data and settings are kept',
    async run(t, depot) {
      const { code, stdout, stderr } = await depot.machine.run(`${checkout}/deploy/uninstall.sh`, {
        timeout: 120_000,
      })
      t.is(code, 0, stdout + stderr)
      t.is(await depot.machine.sh('systemctl list-units --state=loaded --plain --no-legend "tgdepot*"'), '')
      t.not((await depot.machine.run('pgrep --full "[b]ot-api-stand-in|/[o]pt/tgdepot"')).code, 0)
      t.not((await depot.machine.run('nft list table inet tgdepot')).code, 0)
      t.is((await depot.machine.run('nginx -t')).code, 0)
      await t.throwsAsync(depot.get('/'))
      const { uuid, size } = depot.file('2 GB')
      t.is(await depot.machine.sh(`stat --format=%s ${depot.storePath(uuid)}`), String(size))
      t.is(await depot.machine.sh(`stat --format='%a %U' ${dataFolder}`), '700 root')
      // Removing it twice is no mistake.
      t.is((await depot.machine.run(`${checkout}/deploy/uninstall.sh`)).code, 0)
    },
  },
  {
    title: 'installed again it finds its data: the old links work, and new files too',
    limit: 420,
    async run(t, depot) {
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      for (const name of depot.sent.keys()) {
        const { url, sha256 } = depot.file(name)
        t.is(await depot.download(url), sha256, name)
      }
      const file = await depot.send(1030, { kind: 'document', name: 'after all.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'purged, it leaves no file, user, unit or rule behind',
    limit: 240,
    async run(t, depot) {
      const { code, stdout, stderr } = await depot.machine.run(`${checkout}/deploy/uninstall.sh --purge --yes`, {
        timeout: 200_000,
      })
      t.is(code, 0, stdout + stderr)
      t.is(await depot.machine.sh(ours), '')
      t.not((await depot.machine.run('getent passwd | grep tgdepot')).code, 0)
      t.not((await depot.machine.run('getent group | grep tgdepot')).code, 0)
      t.not((await depot.machine.run('nft list ruleset | grep tgdepot')).code, 0)
      for (const unit of [...units, 'tgdepot-web.socket'])
        t.is(await depot.property(unit, 'LoadState'), 'not-found')
      t.is(await depot.machine.sh('dpkg --verify nginx-common || true'), '', 'nginx.conf is as it was')
      t.deepEqual(await depot.failedUnits(), [])
      t.is((await depot.machine.run('nginx -t')).code, 0)
    },
  },
]
