import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { codeOf, StartError } from './errors.ts'
import { unknownSettings } from './setting-names.ts'

type Shapes = Record<string, z.ZodObject | undefined>
type Settings<T extends Shapes> = {
  [K in keyof T]: T[K] extends z.ZodObject | undefined
    ? z.output<NonNullable<T[K]>> | Extract<T[K], undefined>
    : never
}

/**
 * Reads the settings of every owner named in `shapes` and returns one typed object for each. An owner without a shape
 * does not run here: its settings are neither read nor missed.
 *
 * A value comes from the file `$CREDENTIALS_DIRECTORY/<NAME>` (systemd.exec(5), LoadCredential=) or else from the
 * environment; an empty one counts as not set. All faults are thrown at once, as one {@link StartError}; a setting that
 * nobody knows is one of them.
 *
 * @param elsewhere what other roles read, so that it is not unknown here
 */
export function readSettings<T extends Shapes>(
  shapes: T,
  env: NodeJS.ProcessEnv,
  elsewhere: z.ZodObject[] = [],
): Settings<T> {
  const here = Object.values(shapes).filter((shape) => shape !== undefined)
  const known = [...here, ...elsewhere].flatMap(({ shape }) => Object.keys(shape))
  const faults = unknownSettings(known, env)
  const settings: Record<string, unknown> = {}
  for (const [owner, shape] of Object.entries(shapes)) {
    if (!shape) continue
    const values = Object.fromEntries(
      Object.keys(shape.shape).map((name) => [name, readValue(name, env, faults)]),
    )
    const result = shape.safeParse(values)
    if (result.success) settings[owner] = result.data
    else faults.push(...result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`))
  }
  if (faults.length > 0) throw new StartError(...new Set(faults))
  return settings as Settings<T>
}

function readValue(name: string, env: NodeJS.ProcessEnv, faults: string[]): string | undefined {
  const value = credential(name, env.CREDENTIALS_DIRECTORY, faults) ?? env[name]
  return value?.trim() || undefined
}

function credential(name: string, directory: string | undefined, faults: string[]): string | undefined {
  if (!directory) return undefined
  try {
    return readFileSync(join(directory, name), 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') faults.push(`${name}: its credential cannot be read (${codeOf(error)})`)
    return undefined
  }
}

/** A whole number written in decimal digits, within `min` and `max`. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  const message = `must be a whole number ${range}`
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((n) => n >= min && n <= max, message)
}

/** An http or https address without user, query or fragment; a trailing slash is dropped. */
export const httpAddress = z
  .string()
  .refine(isHttpAddress, 'must be an address like https://files.example.org, without user, query or fragment')
  .transform((text) => text.replace(/\/+$/, ''))

function isHttpAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && !username && !password && !search && !hash
}
