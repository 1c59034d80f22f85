import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute, must, startTimeOf, waitFor, withLock } from './host.ts'
import { createNetwork, networkOf, removeNetwork, restoreForwarding } from './network.ts'

/** Everything that lives longer than a run (base trees) or must be found by the next one (machines). */
export const cacheFolder = '/var/cache/tgdepot-test'
const machinesFolder = join(cacheFolder, 'machines')

/** A folder and a network of this host that belong to one machine of one test process. */
export type Slot = { number: number; folder: string }

/** Takes a free slot and makes its network; slots of dead test processes are freed before. */
export async function claimSlot(): Promise<Slot> {
  await mkdir(machinesFolder, { recursive: true })
  return withLock(join(cacheFolder, 'machines.lock'), async () => {
    await sweepSlots()
    return claimFirst()
  })
}

async function claimFirst(): Promise<Slot> {
  for (let number = 0; number < 63; number++) {
    const folder = join(machinesFolder, String(number))
    try {
      await mkdir(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    await writeFile(join(folder, 'owner'), `${process.pid} ${await startTimeOf(process.pid)}`)
    try {
      if (await createNetwork(number)) await writeFile(join(folder, 'forwarding-was-off'), '')
    } catch (error) {
      await freeSlot({ number, folder })
      throw error
    }
    return { number, folder }
  }
  throw new Error(`no free slot for a machine in ${machinesFolder}`)
}

/** Kills what runs in the slot's tree and removes its network and files; all of it may be gone already. */
export async function freeSlot(slot: Slot): Promise<void> {
  await waitFor('the killed machine to be gone', 30_000, async () => {
    const pids = await findProcesses(slot)
    if (pids.length > 0) await execute('kill', ['-KILL', ...pids])
    return pids.length === 0
  })
  await removeNetwork(slot.number)
  const forwardingWasOff = await exists(join(slot.folder, 'forwarding-was-off'))
  // A mount that somebody left inside must not be emptied with the tree.
  await must('rm', ['-rf', '--one-file-system', slot.folder], { timeout: 120_000 })
  if (forwardingWasOff) await restoreForwarding()
}

/** Frees the slots of test processes that ended without doing so. */
async function sweepSlots(): Promise<void> {
  for (const name of await readdir(machinesFolder).catch(() => [])) {
    const slot = { number: Number(name), folder: join(machinesFolder, name) }
    if (!(await isOwned(slot))) await freeSlot(slot)
  }
}

async function isOwned(slot: Slot): Promise<boolean> {
  const owner = await readFile(join(slot.folder, 'owner'), 'utf8').catch(() => '')
  const [pid, started] = owner.split(' ')
  return pid !== undefined && started !== undefined && (await startTimeOf(Number(pid))) === started
}

/**
 * The machine's processes: its init outlives a killed systemd-nspawn and is found by the slot's network; a container
 * that has none yet is found by the tree's path in its command line.
 */
async function findProcesses(slot: Slot): Promise<string[]> {
  const inside = await execute('ip', ['netns', 'pids', networkOf(slot.number).namespace])
  const found = inside.stdout.split('\n').filter(Boolean)
  const containers = await execute('pgrep', ['-x', 'systemd-nspawn'])
  for (const pid of containers.stdout.split('\n').filter(Boolean)) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (commandLine.split('\0').includes(`--directory=${treeOf(slot)}`)) found.push(pid)
  }
  return found
}

/** The slot's root file system. */
export function treeOf(slot: Slot): string {
  return join(slot.folder, 'tree')
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
