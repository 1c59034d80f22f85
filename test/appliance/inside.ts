import type { Depot } from './depot.ts'
import type { Finished } from './host.ts'

const quote = (command: string) => `'${command.replaceAll("'", `'\\''`)}'`

/** Runs a command as a user in the machine, with that user's groups. */
export function as(depot: Depot, user: string, command: string): Promise<Finished> {
  return depot.machine.run(
    `setpriv --reuid=${user} --regid=$(id -g ${user}) --init-groups sh -c ${quote(command)}`,
  )
}

/** Runs a command where a unit's process runs: its view of the file system, its network, its user and groups. */
export async function inside(depot: Depot, unit: string, command: string): Promise<Finished> {
  const pid = await depot.property(unit, 'MainPID')
  const user = await depot.property(unit, 'User')
  const ids = `--reuid=$(id -u ${user}) --regid=$(id -g ${user}) --groups=$(id -G ${user} | tr ' ' ,)`
  return depot.machine.run(
    `nsenter --target ${pid} --mount --net --ipc -- setpriv ${ids} --no-new-privs sh -c ${quote(command)}`,
  )
}
