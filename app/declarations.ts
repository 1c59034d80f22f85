import type { Declaration } from './core/declaration.ts'
import { features } from './features.ts'
import { modules } from './modules.ts'

/** Everything that the program is made of. */
export const declarations: Declaration[] = [...modules, ...features]

/** All tables, in the order in which they were made. */
export const migrations = declarations.flatMap((declared) => declared.migrations ?? [])

/** All parts of /health. */
export const healthParts = declarations.flatMap((declared) => declared.health ?? [])

/** All figures of /metrics but those that the web role knows by itself. */
export const metrics = declarations.flatMap((declared) => declared.metrics ?? [])
