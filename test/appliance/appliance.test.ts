import test from 'ava'
import { Depot } from './depot.ts'
import { Machine } from './machine.ts'
import type { Step } from './step.ts'
import { certificate } from './steps/certificate.ts'
import { downloads } from './steps/downloads.ts'
import { failures } from './steps/failures.ts'
import { files } from './steps/files.ts'
import { hangs } from './steps/hangs.ts'
import { identities } from './steps/identities.ts'
import { installation } from './steps/installation.ts'
import { interruptions } from './steps/interruptions.ts'
import { removal } from './steps/removal.ts'
import { sandbox } from './steps/sandbox.ts'
import { secrecy } from './steps/secrecy.ts'
import { upgrades } from './steps/upgrades.ts'
import { visitors } from './steps/visitors.ts'
import { type Suite, whyNotHere } from './tree.ts'

// What stops or breaks something comes after what looks at it whole; secrecy after all that could leak. Two that take
// minutes, and are the same on both, are looked at on one each.
const stepsOn = (suite: Suite): Step[] => [
  ...installation,
  ...files,
  ...downloads,
  ...sandbox,
  ...visitors,
  ...identities,
  ...(suite === 'bookworm' ? hangs : []),
  ...failures,
  ...upgrades,
  ...(suite === 'trixie' ? interruptions : []),
  ...secrecy,
  ...certificate,
  ...removal,
]

const reason = whyNotHere()
if (reason) test.skip(`the appliance is not tried on a booted machine: ${reason}`, () => {})
else for (const suite of ['bookworm', 'trixie'] satisfies Suite[]) tryOn(suite)

function tryOn(suite: Suite): void {
  let machine: Machine | undefined
  let depot: Depot | undefined
  let broken: string | undefined = 'the machine did not boot'

  test.serial(`${suite}: a machine boots`, async (t) => {
    t.timeout(600_000)
    machine = await Machine.boot(suite)
    t.log('failed at boot:', (await machine.failedUnits()).join(' ') || 'nothing')
    t.is(await machine.sh('cat /proc/1/comm'), 'systemd')
    depot = new Depot(machine)
    await depot.prepare()
    broken = undefined
  })

  for (const { title, isBasic, limit = 120, run } of stepsOn(suite)) {
    test.serial(`${suite}: ${title}`, async (t) => {
      t.timeout(limit * 1000 + 30_000)
      if (!depot || broken) return t.fail(`not tried: ${broken}`)
      try {
        await run(t, depot)
      } catch (error) {
        if (isBasic) broken = `"${title}" failed`
        t.log(await depot.describeTrouble())
        throw error
      }
    })
  }

  test.serial(`${suite}: the machine leaves nothing on the host`, async (t) => {
    t.timeout(120_000)
    await machine?.[Symbol.asyncDispose]()
    machine = undefined
    t.pass()
  })

  test.after.always(async () => {
    await machine?.[Symbol.asyncDispose]()
  })
}
