import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** Which process works on something: whoever finds it later can tell what became of that process. */
interface Worker {
  host: string
  pid: string
  /** A process id is used again after a while. */
  started: string
  /** Tells a process that crashed from one that went with the machine. */
  boot: string | undefined
}

/**
 * This process.
 * @param boot the machine's boot id, where the process may not see it by itself
 */
export function thisWorker(boot = bootId()): string {
  const started = Math.round(performance.timeOrigin)
  // systemd writes it without the kernel's hyphens.
  return [hostname(), process.pid, started, boot.replaceAll('-', '')].join(':')
}

/** Whether a worker of this machine has ended for certain; of another machine only its lease tells. */
export function isGone(worker: string, self: string): boolean {
  const [its, ours] = [parse(worker), parse(self)]
  if (its.host !== ours.host) return false
  // Of two processes of one machine, one may be in a sandbox that hides the boot id.
  if (its.boot && ours.boot && its.boot !== ours.boot) return true
  if (its.pid === ours.pid) return its.started !== ours.started
  try {
    process.kill(Number(its.pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/**
 * Whether a worker ended while the machine went on. One that stops as it should hands its jobs back, so who is gone
 * with a job was ended by it, or by someone else.
 */
export function hasCrashed(worker: string, self: string): boolean {
  return isGone(worker, self) && parse(worker).boot === parse(self).boot
}

function parse(worker: string): Worker {
  const [host = '', pid = '', started = '', boot] = worker.split(':')
  return { host, pid, started, boot }
}

/**
 * Empty in a sandbox that shows no more of /proc than processes, unless systemd says it (`BOOT_ID`): there a crash of the
 * machine counts as one of the process.
 */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
