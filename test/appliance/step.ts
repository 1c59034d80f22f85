import type { ExecutionContext } from 'ava'
import type { Depot } from './depot.ts'

/** One thing that a person does with the appliance; its title is a sentence about what then holds. */
export type Step = {
  title: string
  /** Without it nothing that follows can be judged. */
  isBasic?: boolean
  /** Seconds; default: 120. */
  limit?: number
  run: (t: ExecutionContext, depot: Depot) => Promise<void>
}
