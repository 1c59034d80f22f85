import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Settings that load the watch of the event loop into a role; the memory flags are those of the bot's unit. */
export function watching(folder: string, role: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--max-semi-space-size=1 --max-old-space-size=256 --import=${join(import.meta.dirname, 'watch-loop.ts')}`,
    LOOP_DELAY_FILE: join(folder, `loop-${role}.json`),
  }
}

export interface LoopDelay {
  /** Milliseconds. */
  p50: number
  p99: number
  max: number
}

export async function loopDelay(folder: string, role: string): Promise<LoopDelay> {
  return JSON.parse(await readFile(join(folder, `loop-${role}.json`), 'utf8'))
}

/** The most memory that a process had resident, in MiB. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}
