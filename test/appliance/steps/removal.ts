import { checkout, type Depot, dataFolder, manifest, standInFolder } from '../depot.ts'
import type { Step } from '../step.ts'

/** Everything in the machine that bears our name, apart from what the test brought. */
const ours = `find / -xdev -name '*tgdepot*' -not -path '${checkout}*' -not -path '${standInFolder}*' -not -path '/root/*'`

/** What a person sees who types a line when the uninstaller asks. */
async function purgeAtTerminal({ machine }: Depot, line: string) {
  const script = `script --quiet --return --flush --command '${checkout}/deploy/uninstall.sh --purge' /dev/null`
  return machine.run(`(sleep 2; echo '${line}'; sleep 5) | TERM=dumb ${script}`, { timeout: 200_000 })
}

export const removal: Step[] = [
  {
    title: 'where ufw guards the machine its ports are opened',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      await machine.sh('DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends ufw', {
        timeout: 120_000,
      })
      await machine.sh('ufw allow 22/tcp && ufw --force enable')
      await t.throwsAsync(depot.get('/', '--max-time', '3'), undefined, 'shut')
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      t.regex(stdout, /^changed +Ports for visitors: opened 80\/tcp in ufw, 443\/tcp in ufw$/m)
      t.is((await depot.get('/health')).status, 200)
      t.notRegex((await depot.install('--yes')).stdout, /^changed/m)
    },
  },
  {
    title: 'uninstalled, nothing of it runs, the ports are closed in ufw, and data and settings are kept',
    limit: 240,
    async run(t, depot) {
      const { machine } = depot
      const { code, stdout, stderr } = await machine.run(`${checkout}/deploy/uninstall.sh`, {
        timeout: 120_000,
      })
      t.is(code, 0, stdout + stderr)
      t.regex(stdout, /closed 80\/tcp in ufw[\s\S]*closed 443\/tcp in ufw/)
      t.regex(await machine.sh('ufw status'), /^22\/tcp +ALLOW/m)
      t.notRegex(await machine.sh('ufw status'), /^(80|443)/m)
      await machine.sh('ufw --force disable && ufw --force reset && apt-get purge -qq ufw')
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
    title: 'a purge says what it takes away, and does nothing until the host name is typed',
    limit: 240,
    async run(t, depot) {
      const unasked = await depot.machine.run(`setsid --wait ${checkout}/deploy/uninstall.sh --purge`)
      t.is(unasked.code, 1)
      t.regex(unasked.stderr, /there is no terminal to ask on: give --yes as well/)
      const wrong = await purgeAtTerminal(depot, 'other.test')
      t.is(wrong.code, 1, wrong.stdout)
      t.regex(
        wrong.stdout,
        /2\.\d+G +\/var\/lib\/tgdepot\/store: \d+ files[\s\S]*\/etc\/tgdepot: settings and secrets/,
      )
      t.regex(wrong.stdout, /Type depot\.test to go on: [\s\S]*nothing was removed/)
      await depot.waitForHealth(200)
    },
  },
  {
    title: 'purged, it leaves no file, user, unit or rule behind',
    limit: 240,
    async run(t, depot) {
      const { code, stdout, stderr } = await depot.machine.run(
        // The checkout may be gone by then; this one removes itself as well.
        '/opt/tgdepot/current/deploy/uninstall.sh --purge --yes',
        {
          timeout: 200_000,
        },
      )
      t.is(code, 0, stdout + stderr)
      t.is(await depot.machine.sh(ours), '')
      t.not((await depot.machine.run('getent passwd | grep tgdepot')).code, 0)
      t.not((await depot.machine.run('getent group | grep tgdepot')).code, 0)
      t.not((await depot.machine.run('nft list ruleset | grep tgdepot')).code, 0)
      for (const { unit } of manifest) t.is(await depot.property(unit, 'LoadState'), 'not-found')
      t.is(await depot.machine.sh('dpkg --verify nginx-common || true'), '', 'nginx.conf is as it was')
      t.deepEqual(await depot.failedUnits(), [])
      t.is((await depot.machine.run('nginx -t')).code, 0)
    },
  },
]
