import type { z } from 'zod'
import type { Migration } from './database/migrations.ts'
import type { HealthPart } from './health.ts'
import type { Metric } from './metrics.ts'
import type { Person } from './person.ts'

/**
 * What a module or a feature says of itself before any of its code runs. Every role loads every declaration, since a
 * setting of another role's is no unknown one: so a declaration imports nothing that only one role needs.
 */
export interface Declaration<S extends z.ZodObject = z.ZodObject> {
  name: string
  settings?: S
  /** Its tables. Landed ones are never changed, and keep their place among all others. */
  migrations?: Migration[]
  /** The parts of /health that it reports. */
  health?: HealthPart[]
  /** The figures of /metrics that it knows. */
  metrics?: Metric[]
  /** Loads what exports and erases a person's data. */
  person?(): Promise<Person>
}

/** The settings of a module or a feature, as it declared them. @throws TypeError where no role here reads them */
export type SettingsOf = <S extends z.ZodObject>(of: { name: string; settings: S }) => z.output<S>
