import type { ExecutionContext } from 'ava'
import { checkout, type Depot, domain } from '../depot.ts'
import { waitFor } from '../host.ts'
import type { Step } from '../step.ts'

/** Kills of the installer; each takes half a minute with the run after it. `KILL_TEST=long` is for a machine of one's own. */
const kills = process.env.KILL_TEST === 'long' ? 30 : 3

/** What a run that was ended anywhere may leave behind until the next one. */
const leftovers = `find /opt/tgdepot /etc/tgdepot /etc/systemd/system /etc/nginx /etc/sysusers.d /etc/tmpfiles.d -xdev \\
  \\( -name '.tgdepot.*' -o -name '.new*' -o -name '*.new' -o -name '.restored*' -o -name swap \\)`

/** Makes the checkout another release. */
async function changeRelease({ machine }: Depot, how: string | number): Promise<void> {
  await machine.sh(`echo '// ${how}' >>${checkout}/app/main.ts`)
}

const release = ({ machine }: Depot): Promise<string> => machine.sh('readlink /opt/tgdepot/current')

async function stillServes(depot: Depot): Promise<boolean> {
  const { url, sha256 } = depot.file('ranges')
  return (await depot.download(url)) === sha256
}

/** A small file system of its own in place of a folder, with the same content. */
async function mountSmall({ machine }: Depot, folder: string, size: string): Promise<void> {
  await machine.sh(`cp -a ${folder} ${folder}.kept && mount -t tmpfs -o mode=0755,size=${size} tmpfs ${folder} &&
    cp -a ${folder}.kept/. ${folder}/ && rm -rf ${folder}.kept`)
}

const fillUp = (folder: string, left = 0) =>
  `fallocate -l $(($(df --output=avail -B1 ${folder} | tail -n 1) - ${left})) ${folder}/filler${
    left ? '' : `; cat /dev/zero >>${folder}/filler 2>/dev/null`
  }`

/** While it is there, the disk fills up as the installer comes to the step that `addFillingStep` has added. */
const fillingIsOn = '/root/filling-is-on'

const filling = '/root/fill-the-disk'

/** Takes the step out of the checkout's installer that `addFillingStep` has put into it. */
const removeFillingStep = ({ machine }: Depot) => machine.sh(`sed -i '/Full disk/d' ${checkout}/install.sh`)

/** Puts a step of its own before another one. It belongs to the release that is then made. */
async function addFillingStep(depot: Depot, before: string, fill: string): Promise<void> {
  const { machine } = depot
  await removeFillingStep(depot)
  await machine.sh(`touch ${fillingIsOn}`)
  await machine.writeFile(filling, `[[ ! -e ${fillingIsOn} ]] || { ${fill}; } || true\n`)
  await machine.sh(
    `sed -i "s|^  step '${before}'|  step 'Full disk' bash ${filling}\\n&|" ${checkout}/install.sh && grep -q "'Full disk'" ${checkout}/install.sh`,
  )
}

type Point = { title: string; before: string; left?: number }

/** Per folder: a small file system takes a while to be put in its place and taken away again. */
const fullAt: { folder: string; size: string; points: Point[] }[] = [
  {
    folder: '/opt/tgdepot',
    size: '3g',
    points: [
      { title: 'while a release is made', before: 'Release', left: 300_000 },
      { title: 'before the Bot API server is put in place', before: 'Bot API server' },
      { title: 'before the way back is kept', before: 'Switch' },
    ],
  },
  {
    folder: '/etc/tgdepot',
    size: '4m',
    points: [{ title: 'before the settings are written', before: 'Settings' }],
  },
  {
    folder: '/etc/systemd/system',
    size: '4m',
    points: [{ title: 'before the units are written', before: 'systemd units and the command tgdepot' }],
  },
]

/** One upgrade that finds its disk full at a point, and the next run. */
async function upgradeOnFullDisk(t: ExecutionContext, depot: Depot, folder: string, point: Point) {
  const { machine } = depot
  const present = await release(depot)
  await changeRelease(depot, point.title)
  await addFillingStep(depot, point.before, fillUp(folder, point.left))
  const { code, stdout, stderr } = await depot.install('--yes')
  t.not(code, 0, stdout + stderr)
  t.regex(stdout, /Full disk$/m)
  t.regex(stderr, /No space left on device|disk is full/)
  t.notRegex(stderr, /unbound variable/)
  // What starts anew before there is room again is what ran before.
  t.is(await release(depot), present)
  await machine.sh(`rm -f ${fillingIsOn} ${folder}/filler`)
  await depot.waitForHealth(200)
  t.true(await stillServes(depot))
  const again = await depot.install('--yes')
  t.is(again.code, 0, again.stdout + again.stderr)
  t.not(await release(depot), present)
  t.is(await machine.sh(leftovers), '')
}

export const interruptions: Step[] = [
  {
    title: `killed at ${kills} moments, the installer is whole again with its next run`,
    limit: 60 + kills * 90,
    async run(t, depot) {
      const { machine } = depot
      let hits = 0
      // What a whole run takes, so that the moments lie in it.
      let whole = 8
      for (let kill = 1; kill <= kills; kill++) {
        await changeRelease(depot, `kill ${kill}`)
        const wait = Math.random() * whole
        // dash takes no "--" before a group.
        const killed = await machine.run(
          `cd ${checkout} && { setsid ./install.sh --yes & sleep ${wait}; kill -KILL -$!; wait $!; }`,
        )
        const wasHit = killed.code === 137
        const at = killed.stdout.trimEnd().split('\n').at(-1)
        t.log(`${wasHit ? 'killed' : 'over'} after ${wait.toFixed(1)} s: ${at}`)
        if (wasHit) hits++
        t.true(await stillServes(depot))
        const began = performance.now()
        const { code, stdout, stderr } = await depot.install('--yes')
        whole = (performance.now() - began) / 1000
        t.is(code, 0, stdout + stderr)
        t.is(await machine.sh(leftovers), '')
        t.true(await stillServes(depot))
      }
      t.true(hits >= kills / 2, `${hits} of ${kills} runs were killed`)
      const file = await depot.send(1030, { kind: 'document', name: 'after the kills.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  ...fullAt.map(
    ({ folder, size, points }): Step => ({
      title: `a disk that is full ${points.map(({ title }) => title).join(', or ')} is named, nothing stops working, and the next run goes on`,
      limit: 120 + points.length * 120,
      async run(t, depot) {
        await mountSmall(depot, folder, size)
        try {
          for (const point of points) {
            const began = performance.now()
            await upgradeOnFullDisk(t, depot, folder, point)
            t.log(`${point.title}: ${Math.round((performance.now() - began) / 1000)} s`)
          }
        } finally {
          await unmountSmall(depot, folder)
        }
      },
    }),
  ),
  {
    title: 'a disk that is full in the middle of a rollback leaves the present release whole',
    limit: 240,
    async run(t, depot) {
      const { machine } = depot
      await removeFillingStep(depot)
      await changeRelease(depot, 'to go back from')
      // What is the same needs no room.
      t.is((await depot.install(`--yes --email owner@${domain}`)).code, 0)
      const present = await release(depot)
      await mountSmall(depot, '/etc/tgdepot', '4m')
      try {
        await machine.run(fillUp('/etc/tgdepot'))
        const { code, stderr } = await depot.install('--rollback')
        t.not(code, 0)
        t.regex(stderr, /nothing was changed/)
        t.is(await release(depot), present)
        t.true(await stillServes(depot))
        await machine.sh('rm -f /etc/tgdepot/filler')
        const again = await depot.install('--rollback')
        t.is(again.code, 0, again.stdout + again.stderr)
        t.not(await release(depot), present)
        t.true(await stillServes(depot))
      } finally {
        await unmountSmall(depot, '/etc/tgdepot')
      }
    },
  },
]

/** Puts what is in the small file system where the folder was. */
async function unmountSmall(depot: Depot, folder: string): Promise<void> {
  const { machine } = depot
  await machine.sh(`rm -f ${folder}/filler; cp -a ${folder} ${folder}.kept`)
  // Programs run from it: they are started anew from the copy.
  await machine.sh(
    `systemctl stop tgdepot.target; umount --lazy ${folder} && rm -rf ${folder} && mv -T ${folder}.kept ${folder}`,
    {
      timeout: 90_000,
    },
  )
  await machine.sh('systemctl daemon-reload && systemctl start tgdepot.target', { timeout: 90_000 })
  await waitFor(
    'health after the disk is changed back',
    90_000,
    async () => (await depot.get('/health')).status === 200,
  )
}
