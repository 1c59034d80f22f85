import { readFile, writeFile } from 'node:fs/promises'
import { execute, must } from './host.ts'

const forwarding = '/proc/sys/net/ipv4/ip_forward'

/** A network namespace of its own, joined to the host by a pair of interfaces and led out by NAT. */
export type Network = { namespace: string; path: string; hostAddress: string; address: string }

/** The names and addresses of slot 0 to 62: each slot is a /30 of 10.231.30.0/24. */
export function networkOf(slot: number): Network {
  const namespace = `tgd-m${slot}`
  return {
    namespace,
    path: `/run/netns/${namespace}`,
    hostAddress: `10.231.30.${slot * 4 + 1}`,
    address: `10.231.30.${slot * 4 + 2}`,
  }
}

/** Makes the slot's network. Returns true when forwarding was off on the host and is now on. */
export async function createNetwork(slot: number): Promise<boolean> {
  const { namespace, hostAddress, address } = networkOf(slot)
  const inside = ['netns', 'exec', namespace, 'ip']
  await must('ip', ['netns', 'add', namespace])
  await must('ip', ['link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'host0', 'netns', namespace])
  await must('ip', ['address', 'add', `${hostAddress}/30`, 'dev', namespace])
  await must('ip', ['link', 'set', namespace, 'up'])
  await must('ip', [...inside, 'link', 'set', 'lo', 'up'])
  await must('ip', [...inside, 'address', 'add', `${address}/30`, 'dev', 'host0'])
  await must('ip', [...inside, 'link', 'set', 'host0', 'up'])
  await must('ip', [...inside, 'route', 'add', 'default', 'via', hostAddress])
  const rules = `table ip ${tableOf(slot)} {
    chain out {
      type nat hook postrouting priority srcnat
      ip saddr ${address} oifname != "${namespace}" masquerade
    }
  }`
  await must('nft', ['-f', '-'], { input: rules })
  if ((await readFile(forwarding, 'utf8')).trim() === '1') return false
  await writeFile(forwarding, '1')
  return true
}

/** Removes what `createNetwork` made, as far as it is there. */
export async function removeNetwork(slot: number): Promise<void> {
  const { namespace } = networkOf(slot)
  await execute('nft', ['delete', 'table', 'ip', tableOf(slot)])
  await execute('ip', ['link', 'delete', namespace])
  await execute('ip', ['netns', 'delete', namespace])
}

/** Turns forwarding off again, unless other network namespaces of this host may still need it. */
export async function restoreForwarding(): Promise<void> {
  const { stdout } = await execute('ip', ['netns', 'list'])
  if (stdout.trim() === '') await writeFile(forwarding, '0')
}

function tableOf(slot: number): string {
  return `tgdepot_m${slot}`
}
