import type { z } from 'zod'
import type { SettingsOf } from '../core/declaration.ts'
import { readSettings } from '../core/settings.ts'
import { declarations } from '../declarations.ts'
import type { Role } from '../roles.ts'

/**
 * Reads the settings of all that runs in these roles, and of nothing else.
 * @throws StartError with all faults at once
 */
export function settingsFor(roles: Role[], env: NodeJS.ProcessEnv): SettingsOf {
  const here = roles.flatMap(({ modules, features }) => [...modules, ...features])
  const shapes = Object.fromEntries(here.map(({ name, settings }) => [name, settings]))
  const everywhere = declarations.flatMap(({ settings }) => settings ?? [])
  const values = readSettings(shapes, env, everywhere)
  return <S extends z.ZodObject>({ name }: { name: string; settings: S }) => {
    if (values[name] === undefined)
      throw new TypeError(`no role of this process reads the settings of ${name}`)
    return values[name] as z.output<S>
  }
}
