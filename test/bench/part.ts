import type { Findings } from './figures.ts'

/** What every part is given. */
export interface Bench {
  /** A folder of this run. */
  folder: string
  /** Fewer rounds, files and links: shows that it works, and measures little. */
  quick: boolean
  /** How often each measurement is repeated. */
  rounds: number
  /** Seconds for one measurement of throughput. */
  seconds: number
  /** Tells on standard error how far it is. */
  say(text: string): void
}

export interface Part {
  name: string
  /** Programs without which it is left out. */
  needs: string[]
  measure(bench: Bench): Promise<Findings>
}
