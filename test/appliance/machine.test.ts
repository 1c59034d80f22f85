import { stat } from 'node:fs/promises'
import test from 'ava'
import { execute, must } from './host.ts'
import { Machine } from './machine.ts'
import type { Suite } from './tree.ts'
import { whyNotHere } from './tree.ts'

const reason = whyNotHere()
if (reason) {
  test.skip(`no machine is booted: ${reason}`, () => {})
} else {
  for (const suite of ['bookworm', 'trixie'] satisfies Suite[]) bootsAndLeavesNothing(suite)
}

function bootsAndLeavesNothing(suite: Suite): void {
  test.serial(`${suite} boots, reaches its packages, boots again and leaves nothing behind`, async (t) => {
    t.timeout(600_000, 'the first run makes the base tree')
    let tree = ''
    let namespace = ''
    let init = 0
    {
      await using machine = await Machine.boot(suite)
      tree = machine.tree
      namespace = machine.namespace
      t.regex(await machine.readFile('/etc/os-release'), new RegExp(`VERSION_CODENAME=${suite}`))
      t.is(await machine.sh('cat /proc/1/comm'), 'systemd')
      t.log('failed at boot:', (await machine.failedUnits()).join(' ') || 'nothing')

      const refused = await machine.run('echo out; echo err >&2; exit 3', { env: { A: 'b' } })
      t.deepEqual(refused, { code: 3, stdout: 'out\n', stderr: 'err\n' })
      t.is(await machine.sh('echo "$A$(cat)"', { env: { A: 'one' }, input: 'two' }), 'onetwo')
      t.is((await machine.run('sleep 30', { timeout: 100 })).code, null)

      await machine.sh('apt-get update', { timeout: 120_000 })
      await machine.sh('apt-cache policy nginx-light | grep --quiet Candidate')

      await machine.writeFile('/var/lib/kept', 'kept')
      const bootId = await machine.sh('cat /run/systemd/container && systemctl show -P UserspaceTimestamp')
      await machine.reboot()
      init = machine.init
      t.is(await machine.readFile('/var/lib/kept'), 'kept')
      t.not(await machine.sh('cat /run/systemd/container && systemctl show -P UserspaceTimestamp'), bootId)
    }
    await t.throwsAsync(stat(tree), { code: 'ENOENT' })
    const interfaces = await must('ip', ['-oneline', 'link'])
    const rest = interfaces + (await must('ip', ['netns', 'list'])) + (await must('nft', ['list', 'ruleset']))
    // Ended, if perhaps not yet fetched by whoever inherited it.
    t.regex((await execute('ps', ['-o', 'stat=', '-p', String(init)])).stdout, /^(Z|$)/)
    t.notRegex(rest, new RegExp(`${namespace}\\b`))
  })
}
